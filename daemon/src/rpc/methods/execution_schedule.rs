//! `executionSchedule.*`: what is due when.

use std::collections::BTreeMap;
use std::time::Duration;

use a2n_proto::api::Page;
use a2n_proto::api::execution_schedule::{Preview, Upcoming, UpcomingRun};
use a2n_proto::api::workflow_trigger::NextAnswer;
use a2n_proto::workflow::{SharePermission, TriggerType, WorkflowTrigger};
use a2n_proto::{ErrorKind, Problem, RpcError, Timestamp, WorkflowTriggerId};

use super::super::context::bad_cursor;
use super::super::{Context, Registry};
use crate::operations::settings::table::SCHEDULE_UPCOMING;
use crate::store::{Paging, View, workflow_trigger};
use crate::triggers::schedule::Schedule;
use crate::triggers::upcoming;

const DAY: Duration = Duration::from_secs(24 * 3_600);

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<Upcoming, _>(|context, call, params| async move {
        let view = context.view(&call)?;
        let now = context.now();
        let last = params.cursor.as_deref().map(|cursor| Due::read(cursor).ok_or_else(bad_cursor));
        let last = last.transpose()?;
        let begin = params.from.unwrap_or(now).max(now);
        let from = match last {
            None => begin,
            // Others may be due at the very instant where the page before ended.
            Some(Due(at, _)) => at.minus(Duration::from_millis(1)),
        };
        let to = params.to.unwrap_or(begin.plus(DAY));
        let most = context.settings.get(&SCHEDULE_UPCOMING);
        let limit = params.limit.map_or(most, |n| (n as usize).clamp(1, most.max(1)));
        let armed: BTreeMap<WorkflowTriggerId, (WorkflowTrigger, String, Schedule)> =
            armed(&context, &view)?
                .into_iter()
                .filter(|(trigger, ..)| {
                    params.workflow_id.is_none_or(|id| trigger.workflow_id == id)
                })
                .map(|(trigger, name, schedule)| (trigger.id, (trigger, name, schedule)))
                .collect();
        let schedules = armed.iter().map(|(id, (_, _, schedule))| (*id, schedule));
        let mut due = upcoming(schedules, from, to, limit + 1 + armed.len());
        due.retain(|(at, id)| last.as_ref().is_none_or(|last| Due(*at, *id) > *last));
        let more = due.len() > limit;
        due.truncate(limit);
        let next_cursor = due.last().filter(|_| more).map(|(at, id)| format!("{at}/{id}"));
        let items = due
            .into_iter()
            .filter_map(|(at, id)| {
                let (trigger, workflow_name, _) = armed.get(&id)?;
                Some(UpcomingRun {
                    scheduled_time: at,
                    workflow_id: trigger.workflow_id,
                    workflow_name: workflow_name.clone(),
                    trigger_id: id,
                    trigger_name: trigger.name.clone(),
                })
            })
            .collect();
        Ok(Page { items, next_cursor })
    });
    registry.method::<Preview, _>(|context, _, params| async move {
        let schedule =
            Schedule::parse(&params.schedule.to_value(), &context.zone).map_err(invalid)?;
        Ok(preview(&schedule, params.from.unwrap_or(context.now()), params.count))
    });
}

/// One instant of one trigger, in the order of the list.
#[derive(PartialEq, PartialOrd)]
struct Due(Timestamp, WorkflowTriggerId);

impl Due {
    fn read(cursor: &str) -> Option<Self> {
        let (at, id) = cursor.split_once('/')?;
        Some(Self(at.parse().ok()?, id.parse().ok()?))
    }
}

/// The next instants of a schedule, in words too.
pub(super) fn preview(schedule: &Schedule, from: Timestamp, count: Option<u32>) -> NextAnswer {
    let found = schedule.preview(from, count.unwrap_or(10).clamp(1, 1_000) as usize);
    NextAnswer { times: found.times, description: found.description, warnings: found.warnings }
}

/// A schedule that can't be read, as the caller gave it below `schedule`.
pub(super) fn invalid(problems: Vec<Problem>) -> RpcError {
    let problems: Vec<Problem> = problems
        .into_iter()
        .map(|problem| Problem { path: format!("schedule.{}", problem.path), ..problem })
        .collect();
    let first = problems.first();
    let message = first.map_or("the schedule is wrong".to_owned(), |p| p.message.clone());
    let unsupported = problems.iter().all(|p| p.code == "UNSUPPORTED");
    let kind = if unsupported { ErrorKind::Unsupported } else { ErrorKind::Invalid };
    let mut error = RpcError::new(kind, message);
    error.path = first.map(|p| p.path.clone());
    error.hint = first.and_then(|p| p.hint.clone());
    RpcError { problems, ..error }
}

/// Schedules that start something now: active, of active, published workflows that are not
/// archived, as the caller sees them.
fn armed(
    context: &Context,
    view: &View,
) -> Result<Vec<(WorkflowTrigger, String, Schedule)>, RpcError> {
    let query = workflow_trigger::Query {
        kind: Some(TriggerType::Schedule),
        is_active: Some(true),
        ..workflow_trigger::Query::default()
    };
    let mut found = Vec::new();
    let mut paging = Paging::first(1_000);
    loop {
        let page = view.triggers(&query, &paging, &|_| true)?;
        for trigger in page.items {
            let Ok(workflow) = view.workflow(trigger.workflow_id, SharePermission::View) else {
                continue;
            };
            let starts = workflow.is_active
                && workflow.archived_at.is_none()
                && workflow.published_version.is_some();
            if let Ok(schedule) = Schedule::parse(&trigger.configuration.to_value(), &context.zone)
                && starts
            {
                found.push((trigger, workflow.name, schedule));
            }
        }
        match page.next_cursor {
            Some(cursor) => paging.cursor = Some(cursor),
            None => return Ok(found),
        }
    }
}
