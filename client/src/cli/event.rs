//! `a2n emit` and `a2n events`: tell the daemon what happened, and see what was told.

use a2n_client::Exit;
use a2n_proto::Timestamp;
use a2n_proto::api::Match;
use a2n_proto::api::event::{Emit, EmitParams, Filter, Get, List, One};

use super::output::{Cell, Style, Table};
use super::{Context, Outcome, ask, examples, moments, rows};

/// Tell the daemon that something happened; workflows that wait for it go on
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n emit backup.done"
    "a2n emit backup.done --source nas -d '{\"files\": 41}'"
    "a2n emit deploy --shared --key release-17"
))]
pub(super) struct EmitArgs {
    /// What sort of thing: letters, digits, . _ : and -
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// What there is to know about it, as JSON
    #[arg(short, long, value_name = "JSON")]
    data: Option<String>,
    /// Where it happened; else your name
    #[arg(long)]
    source: Option<String>,
    /// Let the workflows of all users see it
    #[arg(long)]
    shared: bool,
    /// The same key tells the same thing once
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

impl EmitArgs {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let data = self.data.as_deref().map(super::rpc::read_json).transpose()?;
        let session = cx.session().await?;
        let params = EmitParams {
            event_type: self.event_type,
            source: self.source,
            data,
            shared: self.shared.then_some(true),
            idempotency_key: self.key,
        };
        let told = ask::<Emit>(&session, &params).await?;
        let event = &told.value;
        cx.out.show(
            &told.json,
            || vec![event.seq.to_string()],
            |out| format!("{} is event {}\n", out.safe(&event.event_type), event.seq),
        )?;
        Ok(Exit::Done)
    }
}

/// Show what happened, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n events"
    "a2n events backup.done --since -7d"
    "a2n events --seq 17        one event with its data"
))]
pub(super) struct EventsArgs {
    /// Only of this sort
    #[arg(value_name = "TYPE")]
    event_type: Option<String>,
    /// One event with its data, by number
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["event_type", "source", "since"])]
    seq: Option<u64>,
    /// Only from here
    #[arg(long)]
    source: Option<String>,
    /// From this moment: RFC 3339, now, -2h
    #[arg(long, value_name = "WHEN", value_parser = moments::moment, allow_hyphen_values = true)]
    since: Option<Timestamp>,
    /// How many at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = rows::how_many)]
    limit: usize,
}

impl EventsArgs {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        if let Some(seq) = self.seq {
            let found = ask::<Get>(&session, &One { seq }).await?;
            let event = &found.value;
            cx.out.show(
                &found.json,
                || vec![seq.to_string()],
                |out| {
                    let mut table = Table::new(&["", "~"]);
                    let mut put = |name: &str, value: Cell| {
                        table.row([Cell::styled(name, Style::Dim), value]);
                    };
                    put("event", event.seq.to_string().into());
                    put("type", Cell::styled(event.event_type.as_str(), Style::Bold));
                    put("source", event.source.as_str().into());
                    put("at", out.full_date(event.at).into());
                    put("data", event.data.as_str().into());
                    table.text(out, "")
                },
            )?;
            return Ok(Exit::Done);
        }
        let filter = Filter {
            event_type: self.event_type.map(Match::Is),
            source: self.source.map(Match::Is),
            at: self.since.map(|from| Match::Range { gte: Some(from), lt: None }),
            user_id: None,
        };
        let rows = rows::list::<List, _, _>(&session, filter, self.limit).await?;
        let names = || rows.items.iter().map(|event| event.seq.to_string()).collect();
        cx.out.show(&rows.json, names, |out| {
            let mut table = Table::new(&[">SEQ", "WHEN", "TYPE~", "SOURCE~", ">BYTES"]);
            for event in &rows.items {
                table.row([
                    event.seq.to_string().into(),
                    out.date(event.at).into(),
                    event.event_type.as_str().into(),
                    event.source.as_str().into(),
                    event.data_bytes.to_string().into(),
                ]);
            }
            let mut text = table.text(out, "No events. `a2n emit TYPE` tells of one.");
            if rows.more {
                text.push_str(&format!("(the newest {}; -n shows more)\n", rows.items.len()));
            }
            text
        })?;
        Ok(Exit::Done)
    }
}
