//! The quickstart's story, step by step.

use a2n_client::Session;
use a2n_client::connect::{Place, Whose};
use a2n_proto::api::Nothing;
use a2n_proto::api::system::{Info, InfoAnswer};

use super::super::failure::Failure;
use super::super::output::Style;
use super::super::{Context, Outcome, examples};
use super::logout::{self, Standing};
use super::{daemon, next, sample};

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
        let (session, info, standing) = ready(cx, &place).await?;
        let (id, exit) = sample::run(cx, &session, &info).await?;
        next::tell(cx, &id, standing)?;
        Ok(exit)
    }
}

/// A session with the user's own daemon, which is started where it does not run.
async fn ready(cx: &Context, place: &Place) -> Result<(Session, InfoAnswer, Standing), Failure> {
    let running = cx.open(place.clone()).await.ok();
    let session = match &running {
        Some(session) => session.clone(),
        None => {
            let socket = daemon::start(place).await?;
            cx.open(Place { socket: Some(socket), ..Place::default() }).await?
        }
    };
    let info = session.call::<Info>(&Nothing {}).await?;
    let how = if running.is_some() { "runs already" } else { "is started" };
    done(cx, &format!("your own daemon {how}: a2nd {} (pid {})", info.version, info.pid))?;
    let mut standing = logout::standing(info.pid).await;
    standing.is_service |= daemon::is_service(session.place(), &info).await?;
    for line in [
        next::how_long(standing).to_owned(),
        format!("socket  {}", cx.out.safe(&info.socket)),
        format!("data    {}", cx.out.safe(&info.data_dir)),
    ] {
        cx.out.note(&format!("  {line}"))?;
    }
    Ok((session, info, standing))
}

/// A line about something that is done.
pub(super) fn done(cx: &Context, text: &str) -> Result<(), Failure> {
    cx.out.note(&format!("{} {text}", cx.out.styled(Style::Good, "✓")))
}
