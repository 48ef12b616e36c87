//! `a2n schedule`: what is due, and what an expression means.

use a2n_client::Exit;
use a2n_proto::api::execution_schedule::{
    Preview, PreviewParams, Upcoming, UpcomingParams, UpcomingRun,
};
use a2n_proto::api::workflow_trigger::NextAnswer;
use a2n_proto::{Json, Timestamp};
use clap::Subcommand;
use serde_json::{Map, Value};

use super::failure::Failure;
use super::output::{Out, Style, Table};
use super::{Answered, Context, Outcome, ask, examples, moments, which};

/// Show what is due, and try out schedules
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n schedule upcoming"
    "a2n schedule preview '30 2 * * *' --tz Europe/Berlin -n 3"
    "a2n schedule preview --every 15m"
))]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List what is due
    #[command(after_help = examples!(
        "a2n schedule upcoming"
        "a2n schedule upcoming --to +7d --workflow backup"
    ))]
    Upcoming {
        /// From this moment: RFC 3339, now, -2h or +1d
        #[arg(long, value_name = "WHEN", value_parser = moments::moment, allow_hyphen_values = true)]
        from: Option<Timestamp>,
        /// Before this moment; 24 hours later where not said
        #[arg(long, value_name = "WHEN", value_parser = moments::moment, allow_hyphen_values = true)]
        to: Option<Timestamp>,
        /// Only of this workflow
        #[arg(long, value_name = "NAME")]
        workflow: Option<String>,
        /// How many at most
        #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Say when a schedule would be due
    #[command(after_help = examples!(
        "a2n schedule preview '30 2 * * *' --tz Europe/Berlin"
        "a2n schedule preview '0 0 8 ? * MON-FRI' --dialect quartz"
        "a2n schedule preview --every 90m --from 2026-03-28T00:00:00Z"
    ))]
    Preview {
        /// A cron expression
        #[arg(value_name = "EXPR", conflicts_with_all = ["cron", "every", "at"])]
        expression: Option<String>,
        #[command(flatten)]
        rule: Rule,
        /// After this moment: RFC 3339, now, -2h or +1d
        #[arg(long, value_name = "WHEN", value_parser = moments::moment, allow_hyphen_values = true)]
        from: Option<Timestamp>,
        /// How many times
        #[arg(short = 'n', long, value_name = "N", default_value_t = 5)]
        count: u32,
    },
}

/// A schedule as options.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "rule", multiple = true)]
pub(super) struct Rule {
    /// A cron expression
    #[arg(long, value_name = "EXPR", conflicts_with_all = ["every", "at"])]
    cron: Option<String>,
    /// Again and again after so long: 15m, 1h30m
    #[arg(long, value_name = "LENGTH", conflicts_with = "at")]
    every: Option<String>,
    /// Once at this moment; without an offset it is local time in the zone
    #[arg(long, value_name = "WHEN", value_parser = moments::once)]
    at: Option<String>,
    /// The time zone, as Europe/Berlin; the daemon's where not said
    #[arg(long = "tz", value_name = "ZONE")]
    zone: Option<String>,
    /// How the cron expression is read: cron or quartz
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<String>,
}

impl Rule {
    /// The schedule; `None` where no option was given.
    pub(super) fn to_json(&self) -> Result<Option<Value>, Failure> {
        let mut schedule = Map::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                schedule.insert(name.to_owned(), value.into());
            }
        };
        put("cron", self.cron.clone());
        put("every", self.every.clone());
        put("at", self.at.clone());
        put("timezone", self.zone.clone());
        put("dialect", self.dialect.as_ref().map(|dialect| dialect.to_uppercase()));
        if schedule.is_empty() {
            return Ok(None);
        }
        if self.cron.is_none() && self.every.is_none() && self.at.is_none() {
            return Err(Failure::usage("when it is due is missing: --cron, --every or --at"));
        }
        Ok(Some(Value::Object(schedule)))
    }
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        match self.verb {
            Verb::Upcoming { from, to, workflow, limit } => {
                let session = cx.session().await?;
                let workflow_id = match &workflow {
                    Some(word) => Some(which::workflow_id(&session, word).await?),
                    None => None,
                };
                let params =
                    UpcomingParams { from, to, workflow_id, limit: Some(limit), cursor: None };
                let due = ask::<Upcoming>(&session, &params).await?;
                let items = Json::of(&due.value.items);
                let names =
                    || due.value.items.iter().map(|run| run.trigger_id.to_string()).collect();
                cx.out.show(&items, names, |out| {
                    table(&due.value.items, out).text(out, "Nothing is due.")
                })?;
                Ok(Exit::Done)
            }
            Verb::Preview { expression, mut rule, from, count } => {
                rule.cron = rule.cron.or(expression);
                let Some(schedule) = rule.to_json()? else {
                    return Err(Failure::usage("the schedule is missing: EXPR, --every or --at"));
                };
                let session = cx.session().await?;
                let schedule = Json::of(&schedule);
                let params = PreviewParams { schedule, from, count: Some(count) };
                shown_times(cx, &ask::<Preview>(&session, &params).await?)
            }
        }
    }
}

/// Due instants for people.
pub(super) fn table(runs: &[UpcomingRun], out: &Out) -> Table {
    let mut table = Table::new(&["WHEN", "", "WORKFLOW~", "TRIGGER~"]);
    for run in runs {
        table.row([
            out.date(run.scheduled_time).into(),
            out.distance(run.scheduled_time).into(),
            run.workflow_name.as_str().into(),
            run.trigger_name.as_str().into(),
        ]);
    }
    table
}

/// The times of a schedule, what it means, and what is worth knowing.
pub(super) fn shown_times(cx: &Context, next: &Answered<NextAnswer>) -> Outcome {
    let answer = &next.value;
    let names = || answer.times.iter().map(ToString::to_string).collect();
    cx.out.show(&next.json, names, |out| {
        let mut text = format!("{}\n", out.styled(Style::Bold, &out.safe(&answer.description)));
        if answer.times.is_empty() {
            text.push_str("never due\n");
        }
        for at in &answer.times {
            text.push_str(&format!("  {}  {}\n", out.full_date(*at), out.distance(*at)));
        }
        for warning in &answer.warnings {
            text.push_str(&out.styled(Style::Wary, &format!("warning: {}", out.safe(warning))));
            text.push('\n');
        }
        text
    })?;
    Ok(Exit::Done)
}
