//! `a2n info` and `a2n whoami`: which daemon answers, and as whom we call it.

use a2n_client::Exit;
use a2n_proto::api::Nothing;
use a2n_proto::api::auth::Whoami;
use a2n_proto::api::system::Info;

use super::ending::status_text;
use super::output::{Cell, Style, Table};
use super::{Context, Outcome, ask, examples};

/// Show which daemon answers and where its things are
#[derive(Debug, clap::Args)]
#[command(after_help = examples!("a2n info" "a2n --system info -o json"))]
pub(super) struct Args {}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let info = ask::<Info>(&session, &Nothing {}).await?;
        let daemon = &info.value;
        cx.out.show(
            &info.json,
            || vec![daemon.socket.clone()],
            |out| {
                let mut table = Table::new(&["", "~"]);
                let mut put =
                    |name: &str, value: Cell| table.row([Cell::styled(name, Style::Dim), value]);
                put("a2nd", daemon.version.as_str().into());
                put("a2n", env!("CARGO_PKG_VERSION").into());
                put("mode", status_text(daemon.mode).to_lowercase().into());
                put("process", daemon.pid.to_string().into());
                put("running since", out.full_date(daemon.started_at).into());
                put("socket", daemon.socket.as_str().into());
                put("data folder", daemon.data_dir.as_str().into());
                put("store version", daemon.schema_version.as_str().into());
                if daemon.safe_mode {
                    let told = "nothing is started or resumed; see `a2n safe-mode`";
                    put("safe mode", Cell::styled(told, Style::Bad));
                }
                table.text(out, "")
            },
        )?;
        Ok(Exit::Done)
    }
}

/// Show as whom the daemon sees you
#[derive(Debug, clap::Args)]
#[command(after_help = examples!("a2n whoami" "a2n whoami -o json"))]
pub(super) struct WhoamiArgs {}

impl WhoamiArgs {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        let me = ask::<Whoami>(&session, &Nothing {}).await?;
        let names = || me.value.user.iter().map(|user| user.name.clone()).collect();
        cx.out.show(&me.json, names, |out| {
            let uid = me.value.uid.map(|uid| format!(" (uid {uid})")).unwrap_or_default();
            match &me.value.user {
                Some(user) => format!(
                    "{} · {} · via {}{uid}\n",
                    out.safe(&user.name),
                    status_text(user.role),
                    status_text(me.value.via).to_lowercase(),
                ),
                None => format!("nobody here: you have no account{uid}\n"),
            }
        })?;
        Ok(Exit::Done)
    }
}
