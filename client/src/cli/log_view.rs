//! Log lines for people: `HH:MM:SS node │ message`, and following them to their end.

use a2n_client::Session;
use a2n_client::feed::{Feed, Notice};
use a2n_client::safe_text::width;
use a2n_proto::ExecutionId;
use a2n_proto::execution::{ExecutionLog, LogLevel, LogStream};

use super::failure::Failure;
use super::output::{Out, Style, cut};

/// The node column grows with what comes, up to this.
const WIDEST_NODE: usize = 18;

/// How lines look.
#[derive(Debug)]
pub(super) struct LogView {
    node_cells: usize,
    many: bool,
}

impl LogView {
    /// For the lines of one execution, or of `many`.
    pub(super) fn new(many: bool) -> Self {
        Self { node_cells: 8, many }
    }

    /// One line as text.
    pub(super) fn line(&mut self, out: &Out, line: &ExecutionLog) -> String {
        let node = out.safe(line.node_id.as_deref().unwrap_or("·"));
        self.node_cells = self.node_cells.max(width(&node)).min(WIDEST_NODE);
        let node = cut(&node, self.node_cells);
        let fill = " ".repeat(self.node_cells.saturating_sub(width(&node)));
        let style = match (line.level, line.stream) {
            (LogLevel::Error | LogLevel::Fatal, _) => Style::Bad,
            (LogLevel::Warn, _) | (_, Some(LogStream::Stderr)) => Style::Wary,
            (LogLevel::Debug, _) => Style::Dim,
            _ if line.node_id.is_none() => Style::Dim,
            (LogLevel::Info, _) => Style::Plain,
        };
        let message = out.styled(style, &out.safe(&line.message));
        let clock = out.styled(Style::Dim, &out.clock(line.timestamp));
        let whose = if self.many { format!(" {}", tail(line.execution_id)) } else { String::new() };
        format!("{clock}{whose} {node}{fill} │ {message}")
    }
}

/// The end of an id, enough to tell executions apart.
fn tail(id: ExecutionId) -> String {
    let text = id.to_string();
    text[text.len() - 6..].to_owned()
}

/// Writes the lines of an execution as they come, until it has ended.
pub(super) async fn follow(out: &Out, session: &Session, id: ExecutionId) -> Result<(), Failure> {
    let mut feed = Feed::of_execution(session, id, 0, true);
    let mut view = LogView::new(false);
    loop {
        match feed.next().await? {
            Notice::Items(lines) => {
                for line in &lines {
                    let text = view.line(out, line);
                    if out.is_for_people() { out.line(&text)? } else { out.aside(&text) }
                }
            }
            Notice::Gap { from, to } => out.aside(&gap(from, to)),
            Notice::Resumed => {
                out.aside("(the connection was lost and is back; nothing is missing)")
            }
            Notice::End(_) => return Ok(()),
        }
    }
}

/// What is said about lines that are gone.
pub(super) fn gap(from: u64, to: u64) -> String {
    format!("(lines {from} to {to} are no longer kept)")
}

#[cfg(test)]
mod tests {
    use a2n_proto::Json;

    use super::super::output::Format;
    use super::*;

    #[test]
    fn a_line_has_its_time_its_node_and_its_text() {
        let out = Out::kept(Format::Table);
        let mut view = LogView::new(true);
        let line = |node: Option<&str>, message: &str| -> ExecutionLog {
            Json::of(&serde_json::json!({
                "executionId": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "seq": 1,
                "timestamp": "2026-11-22T12:00:00Z", "level": "INFO", "message": message,
                "details": null, "nodeId": node, "nodeName": null, "iteration": "", "item": null,
                "attempt": null, "source": "NODE", "stream": "STDOUT", "category": null,
                "correlationId": null, "duration": null,
            }))
            .to()
            .unwrap()
        };
        let lines = [
            view.line(&out, &line(None, "execution started")),
            view.line(&out, &line(Some("a-rather-long-node-name"), "\u{1b}[2Jone")),
            view.line(&out, &line(Some("df"), "two\tthree")),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        12:00:00 6d7e8f ·        │ execution started
        12:00:00 6d7e8f a-rather-long-nod… │ ␛[2Jone
        12:00:00 6d7e8f df                 │ two     three
        ");
    }
}
