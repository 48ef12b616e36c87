//! `a2n trigger`: what starts executions of a workflow.

use a2n_client::{Exit, Session};
use a2n_proto::api::Match;
use a2n_proto::api::workflow_trigger::{
    ChangeOne, Create, CreateParams, Delete, Filter, Fire, FireParams, List, Next, NextParams,
    Update, UpdateParams,
};
use a2n_proto::workflow::{TriggerType, WorkflowTrigger};
use a2n_proto::{Json, Timestamp};
use clap::Subcommand;
use serde_json::json;

use super::ending::status_text;
use super::failure::Failure;
use super::output::{Cell, Out, Style, Table};
use super::run::{self, WatchArgs};
use super::schedule::{self, Rule};
use super::{Answered, Context, Outcome, ask, examples, moments, rows, which};

/// Show, add, arm and fire triggers
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n trigger ls"
    "a2n trigger add backup nightly --cron '30 2 * * *' --tz Europe/Berlin"
    "a2n trigger disable backup/nightly"
    "a2n trigger next backup/nightly"
))]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List triggers
    #[command(after_help = examples!("a2n trigger ls" "a2n trigger ls backup -o wide"))]
    Ls {
        /// Only those of this workflow
        #[arg(value_name = "WORKFLOW")]
        workflow: Option<String>,
    },
    /// Add a trigger
    #[command(after_help = examples!(
        "a2n trigger add backup nightly --cron '30 2 * * *' --tz Europe/Berlin"
        "a2n trigger add watch often --every 15m"
        "a2n trigger add import by-hand"
    ))]
    Add(AddArgs),
    /// Arm a trigger
    #[command(after_help = examples!("a2n trigger enable backup/nightly"))]
    Enable {
        /// WORKFLOW/TRIGGER, or its id
        trigger: String,
    },
    /// Disarm a trigger without removing it
    #[command(after_help = examples!("a2n trigger disable backup/nightly"))]
    Disable {
        /// WORKFLOW/TRIGGER, or its id
        trigger: String,
    },
    /// Remove a trigger
    #[command(after_help = examples!("a2n trigger rm backup/nightly"))]
    Rm {
        /// WORKFLOW/TRIGGER, or its id
        trigger: String,
    },
    /// Start an execution as the trigger would
    #[command(after_help = examples!(
        "a2n trigger fire backup/nightly --follow"
        "a2n trigger fire import/by-hand -d '{\"rows\": 3}'"
    ))]
    Fire {
        /// WORKFLOW/TRIGGER, or its id
        trigger: String,
        /// The payload, as JSON
        #[arg(short, long, value_name = "JSON")]
        data: Option<String>,
        #[command(flatten)]
        watch: WatchArgs,
    },
    /// Say when a trigger is due next
    #[command(after_help = examples!("a2n trigger next backup/nightly -n 10"))]
    Next {
        /// WORKFLOW/TRIGGER, or its id
        trigger: String,
        /// How many times
        #[arg(short = 'n', long, value_name = "N", default_value_t = 5)]
        count: u32,
        /// After this moment: RFC 3339, now, -2h or +1d
        #[arg(long, value_name = "WHEN", value_parser = moments::moment, allow_hyphen_values = true)]
        from: Option<Timestamp>,
    },
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// The workflow's name or id
    workflow: String,
    /// The trigger's name, unique in the workflow
    name: String,
    #[command(flatten)]
    rule: Rule,
    /// The whole configuration instead, as JSON: {"schedule": {…}}
    #[arg(long, value_name = "JSON", conflicts_with = "rule")]
    configuration: Option<String>,
    /// Add it without arming it
    #[arg(long)]
    disabled: bool,
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        match self.verb {
            Verb::Ls { workflow } => list(cx, &session, workflow).await,
            Verb::Add(args) => args.run(cx, &session).await,
            Verb::Enable { trigger } => switch(cx, &session, &trigger, true).await,
            Verb::Disable { trigger } => switch(cx, &session, &trigger, false).await,
            Verb::Rm { trigger } => {
                let id = which::trigger(&session, &trigger).await?.id;
                let params = ChangeOne { id, if_revision: None, idempotency_key: None };
                let gone = ask::<Delete>(&session, &params).await?;
                cx.out.show(
                    &gone.json,
                    || vec![id.to_string()],
                    |out| format!("{} is removed\n", out.safe(&trigger)),
                )?;
                Ok(Exit::Done)
            }
            Verb::Fire { trigger, data, watch } => {
                let payload = data.as_deref().map(super::rpc::read_json).transpose()?;
                let id = which::trigger(&session, &trigger).await?.id;
                let params = FireParams { id, payload, idempotency_key: None };
                let fired = ask::<Fire>(&session, &params).await?;
                run::started(cx, &session, &fired.json, &fired.value, watch.watch()).await
            }
            Verb::Next { trigger, count, from } => {
                let id = which::trigger(&session, &trigger).await?.id;
                let params = NextParams { id, count: Some(count), from };
                schedule::shown_times(cx, &ask::<Next>(&session, &params).await?)
            }
        }
    }
}

async fn list(cx: &Context, session: &Session, workflow: Option<String>) -> Outcome {
    let workflow_id = match &workflow {
        Some(word) => Some(Match::Is(which::workflow_id(session, word).await?)),
        None => None,
    };
    let filter = Filter { workflow_id, ..Default::default() };
    let rows = rows::list::<List, _, _>(session, filter, 10_000).await?;
    let owners = if cx.out.is_for_people() { names(session).await? } else { Default::default() };
    let ids = || rows.items.iter().map(|trigger| trigger.id.to_string()).collect();
    cx.out.show(&rows.json, ids, |out| {
        let mut columns = vec!["TRIGGER~", "TYPE", "ARMED", ">FIRED", "LAST", "WHAT~"];
        if out.is_wide() {
            columns.push("ID");
        }
        let mut table = Table::new(&columns);
        for trigger in &rows.items {
            let owner = owners.get(&trigger.workflow_id.to_string());
            table.row(row(out, trigger, owner.map(String::as_str)));
        }
        table.text(out, "No triggers.")
    })?;
    Ok(Exit::Done)
}

fn row(out: &Out, trigger: &WorkflowTrigger, owner: Option<&str>) -> [Cell; 7] {
    let what = match &trigger.arm_error {
        Some(why) => Cell::styled(format!("no: {why}"), Style::Bad),
        None => rule_text(trigger).into(),
    };
    [
        match owner {
            Some(owner) => format!("{owner}/{}", trigger.name).into(),
            None => trigger.name.as_str().into(),
        },
        status_text(trigger.kind).to_lowercase().into(),
        match (trigger.is_active, &trigger.arm_error) {
            (true, None) => Cell::styled("yes", Style::Good),
            (true, Some(_)) => Cell::styled("no", Style::Bad),
            (false, _) => Cell::styled("no", Style::Wary),
        },
        trigger.trigger_count.to_string().into(),
        Cell::or_dash(trigger.last_triggered_at.map(|at| out.distance(at))),
        what,
        trigger.id.to_string().into(),
    ]
}

/// The rule of a schedule in few words.
fn rule_text(trigger: &WorkflowTrigger) -> String {
    let configuration = trigger.configuration.to_value();
    let Some(schedule) = configuration.get("schedule") else { return String::new() };
    let mut text = String::new();
    for member in ["cron", "onCalendar", "every", "at", "timezone"] {
        if let Some(value) = schedule.get(member) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let value = if member == "every" { format!("every {value}") } else { value };
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(&value);
        }
    }
    text
}

async fn names(session: &Session) -> Result<std::collections::BTreeMap<String, String>, Failure> {
    let filter = a2n_proto::api::workflow::Filter::default();
    let rows = rows::list::<a2n_proto::api::workflow::List, _, _>(session, filter, 10_000).await?;
    Ok(rows.items.into_iter().map(|workflow| (workflow.id.to_string(), workflow.name)).collect())
}

async fn switch(cx: &Context, session: &Session, word: &str, on: bool) -> Outcome {
    let id = which::trigger(session, word).await?.id;
    let params = UpdateParams {
        id,
        patch: Json::of(&json!({"isActive": on})),
        if_revision: None,
        idempotency_key: None,
    };
    shown(cx, &ask::<Update>(session, &params).await?)
}

fn shown(cx: &Context, changed: &Answered<WorkflowTrigger>) -> Outcome {
    let trigger = &changed.value;
    cx.out.show(
        &changed.json,
        || vec![trigger.id.to_string()],
        |out| {
            let name = out.safe(&trigger.name);
            match (&trigger.arm_error, trigger.is_active) {
                (Some(why), true) => {
                    format!("{name} is active, but not armed: {}\n", out.safe(why))
                }
                (None, true) => format!("{name} is active\n"),
                (_, false) => format!("{name} is not active\n"),
            }
        },
    )?;
    Ok(Exit::Done)
}

impl AddArgs {
    async fn run(self, cx: &Context, session: &Session) -> Outcome {
        let configuration = match (&self.configuration, self.rule.to_json()?) {
            (Some(text), _) => Some(super::rpc::read_json(text)?),
            (None, Some(schedule)) => Some(Json::of(&json!({"schedule": schedule}))),
            (None, None) => None,
        };
        let scheduled =
            configuration.as_ref().is_some_and(|json| json.to_value().get("schedule").is_some());
        let (workflow_id, workflow) = which::workflow(&self.workflow);
        let params = CreateParams {
            workflow_id,
            workflow,
            kind: if scheduled { TriggerType::Schedule } else { TriggerType::Manual },
            name: self.name,
            description: None,
            is_active: self.disabled.then_some(false),
            configuration,
            metadata: None,
            idempotency_key: None,
        };
        shown(cx, &ask::<Create>(session, &params).await?)
    }
}
