//! Hears a process to its end: every line into the log as it comes, what is wanted of stdout kept for
//! the items. Whatever is printed, no more is held than the settings say.

use a2n_proto::execution::{LogLevel, LogStream};

use super::lines::Lines;
use super::output::Output;
use crate::engine::job::Printed;
use crate::nodes::context::Context;
use crate::system::process::{Exit, Running, Said, Stream};

/// Longest line of progress that is read: a percentage and a word.
const LONGEST_PROGRESS: usize = 1024;

/// What came of a process.
pub(super) struct Heard {
    pub(super) stdout: Vec<u8>,
    pub(super) cut: bool,
    pub(super) bytes_out: u64,
    pub(super) last_error: Option<String>,
    pub(super) exit: Exit,
}

/// A process being heard.
pub(super) struct Hearing<'a> {
    context: &'a Context,
    output: Output,
    stdout: Vec<u8>,
    cut: bool,
    bytes_out: u64,
    last_error: Option<String>,
    out: Lines,
    err: Lines,
    progress: Lines,
    /// What may still be logged, in bytes.
    log_left: u64,
}

impl<'a> Hearing<'a> {
    pub(super) fn new(context: &'a Context, output: Output) -> Self {
        let lines = || Lines::new(context.settings.max_line_bytes);
        Self {
            context,
            output,
            stdout: Vec::new(),
            cut: false,
            bytes_out: 0,
            last_error: None,
            out: lines(),
            err: lines(),
            progress: Lines::new(LONGEST_PROGRESS),
            log_left: context.settings.max_log_bytes,
        }
    }
    /// Until the process has ended.
    pub(super) async fn all(mut self, mut running: Running) -> Heard {
        let mut stopping = false;
        loop {
            let said = tokio::select! {
                biased;
                () = self.context.stop.cancelled(), if !stopping => {
                    stopping = true;
                    running.stop();
                    continue;
                }
                said = running.next() => said,
            };
            match said {
                None => break,
                Some(Said::Piece(stream, piece)) => self.piece(stream, &piece).await,
                Some(Said::Progress(piece)) => {
                    let lines = self.progress.push(&piece);
                    lines.iter().for_each(|line| tell_progress(self.context, line));
                }
            }
        }
        let (out, err) = (self.out.rest(), self.err.rest());
        self.log(LogStream::Stdout, out).await;
        self.log(LogStream::Stderr, err).await;
        let exit = running.end().await;
        self.warn(exit.left_behind && !stopping).await;
        let Self { stdout, cut, bytes_out, last_error, .. } = self;
        Heard { stdout, cut, bytes_out, last_error, exit }
    }
    async fn piece(&mut self, stream: Stream, piece: &[u8]) {
        self.bytes_out += piece.len() as u64;
        match stream {
            Stream::Stdout => {
                self.keep(piece);
                // What is not logged need not be cut into lines either.
                if self.log_left > 0 {
                    let lines = self.out.push(piece);
                    self.log(LogStream::Stdout, lines).await;
                }
            }
            Stream::Stderr => {
                let lines = self.err.push(piece);
                self.log(LogStream::Stderr, lines).await;
            }
        }
    }
    fn keep(&mut self, piece: &[u8]) {
        let at_most = self.output.at_most(&self.context.settings);
        let room = at_most.saturating_sub(self.stdout.len());
        if self.output == Output::Nothing || self.cut {
            return;
        }
        self.cut = piece.len() > room;
        if self.cut && self.output != Output::Text {
            // It will be refused: why keep it.
            self.stdout = Vec::new();
            return;
        }
        self.stdout.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    /// Logs lines while there is room for them; says where there is none any more.
    async fn log(&mut self, stream: LogStream, mut lines: Printed) {
        if let (LogStream::Stderr, Some(last)) = (stream, lines.last()) {
            self.last_error = Some(last.to_owned());
        }
        if self.log_left == 0 {
            return;
        }
        let fits = lines.iter().position(|line| {
            // A line costs its end too, or empty ones would be without limit.
            self.log_left = self.log_left.saturating_sub(line.len() as u64 + 1);
            self.log_left == 0
        });
        if let Some(last) = fits {
            lines.truncate(last + 1);
        }
        self.context.pass_on(stream, lines).await;
        if self.log_left == 0 {
            let at_most = self.context.settings.max_log_bytes;
            let message = format!(
                "the log of this attempt is cut off here: it may have {at_most} bytes (setting step.maxLogBytes)"
            );
            self.context.say(LogLevel::Warn, message).await;
        }
    }
    async fn warn(&self, left_behind: bool) {
        let at_most = self.output.at_most(&self.context.settings);
        let cut = self.cut && self.output == Output::Text;
        for (happened, message) in [
            (
                self.out.lossy || self.err.lossy,
                "output was not UTF-8: its odd bytes are shown as \u{fffd}".to_owned(),
            ),
            (cut, format!("only the first {at_most} bytes of stdout are kept for the result")),
            (left_behind, "processes that the step had left running were ended with it".to_owned()),
        ] {
            if happened {
                self.context.say(LogLevel::Warn, message).await;
            }
        }
    }
}

/// `40 copying`, also `40%` and `40`.
fn tell_progress(context: &Context, line: &str) {
    let line = line.trim();
    let (percent, detail) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if let Ok(percent) = percent.trim_end_matches('%').parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let percent = percent.clamp(0.0, 100.0) as u8;
        let detail = detail.trim();
        context.voice.progress(percent, (!detail.is_empty()).then(|| detail.to_owned()));
    }
}
