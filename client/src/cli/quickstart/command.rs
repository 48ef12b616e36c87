//! The quickstart's story, step by step.

use std::path::PathBuf;

use a2n_client::Session;
use a2n_client::connect::{Place, Whose};
use a2n_proto::api::Nothing;
use a2n_proto::api::system::Info;

use super::super::failure::Failure;
use super::super::output::Style;
use super::super::{Context, Outcome, examples};
use super::{daemon, sample};

/// Start a daemon of your own, run a real sample workflow, and watch it
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n quickstart"
    "a2n quickstart --stop      stop that daemon; what it stored stays"
))]
pub(in super::super) struct Args {
    /// Stop your own daemon
    #[arg(long)]
    stop: bool,
}

impl Args {
    pub(in super::super) async fn run(self, cx: &Context) -> Outcome {
        if cx.place.host.is_some() || cx.place.whose == Whose::System {
            return Err(Failure::usage("a quickstart is for your own daemon on this machine")
                .hint("leave --system and --host out"));
        }
        // Never the system's: what is started here is the user's own.
        let place = Place { whose: Whose::User, ..cx.place.clone() };
        if self.stop {
            return daemon::stop(cx, &place).await;
        }
        let session = ready(cx, &place).await?;
        let info = session.call::<Info>(&Nothing {}).await?;
        let (id, exit) = sample::run(cx, &session, &info).await?;
        what_next(cx, &id)?;
        Ok(exit)
    }
}

/// A session with the user's own daemon, which is started where it does not run.
async fn ready(cx: &Context, place: &Place) -> Result<Session, Failure> {
    let running = Session::open(place.clone()).await.ok();
    let session = match &running {
        Some(session) => session.clone(),
        None => {
            let socket = daemon::start(place).await?;
            Session::open(Place { socket: Some(socket), ..Place::default() }).await?
        }
    };
    let info = session.call::<Info>(&Nothing {}).await?;
    let how = if running.is_some() { "runs already" } else { "is started" };
    done(cx, &format!("your own daemon {how}: a2nd {} (pid {})", info.version, info.pid))?;
    for line in [
        "It survives logout: it runs until you stop it or the machine restarts.".to_owned(),
        format!("socket  {}", cx.out.safe(&info.socket)),
        format!("data    {}", cx.out.safe(&info.data_dir)),
    ] {
        cx.out.note(&format!("  {line}"))?;
    }
    Ok(session)
}

/// A line about something that is done.
pub(super) fn done(cx: &Context, text: &str) -> Result<(), Failure> {
    cx.out.note(&format!("{} {text}", cx.out.styled(Style::Good, "✓")))
}

fn what_next(cx: &Context, id: &str) -> Result<(), Failure> {
    let title = |text| cx.out.styled(Style::Bold, text);
    cx.out.note(&format!("\n{}", title("What to try next")))?;
    for (command, about) in [
        ("a2n ps -a", "what ran"),
        ("a2n show host-report", "the whole story of the newest execution"),
        ("a2n run host-report -i threshold:=1 --follow", "again, with another threshold"),
        ("a2n apply -f FILE", "a workflow of your own (examples/ has more)"),
    ] {
        cx.out.note(&format!("  {command:<46} {about}"))?;
    }
    cx.out.note(&format!("  a2n logs {id}"))?;
    cx.out
        .note(&format!("\n{}\n  a2n quickstart --stop", title("Stop it (what it stored stays)")))?;
    cx.out.note(&title("Install it for good, with systemd (stop this one first)"))?;
    let script = installer().map_or("systemd/install.sh".into(), |path| path.display().to_string());
    cx.out.note(&format!("  {script} --user          for yourself: the same store goes on"))?;
    cx.out.note(&format!("  sudo {script}            for the whole machine"))
}

/// The install script: in the source tree that this program was built in, or beside an unpacked
/// release.
fn installer() -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    exe.ancestors()
        .skip(1)
        .take(4)
        .map(|folder| folder.join("systemd/install.sh"))
        .find(|path| path.is_file())
}
