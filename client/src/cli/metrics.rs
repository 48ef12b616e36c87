//! `a2n metrics`: the daemon's own numbers, an execution's, or a metric over time.

use std::time::Duration;

use a2n_client::{Exit, Session};
use a2n_proto::Timestamp;
use a2n_proto::api::Nothing;
use a2n_proto::api::execution_metrics::{GroupBy, Query, QueryParams};
use a2n_proto::api::system::Metrics;

use super::output::{Cell, Out, Table, size};
use super::{Context, Outcome, ask, examples, moments, which};

/// Show the daemon's metrics, an execution's, or one metric over time
#[derive(Debug, clap::Args)]
#[command(after_help = examples!(
    "a2n metrics                                the daemon's own"
    "a2n metrics host-report                    of its newest execution"
    "a2n metrics --metric step.wall_time --from -7d --bucket 1d --by workflow"
))]
pub(super) struct Args {
    /// An execution's id, or a workflow's name for its newest one
    #[arg(value_name = "EXEC", conflicts_with_all = ["metric", "from", "to", "bucket", "by"])]
    execution: Option<String>,
    /// One metric over time
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// From this moment: RFC 3339, now, -2h or +1d
    #[arg(long, value_name = "WHEN", value_parser = moments::moment, allow_hyphen_values = true, requires = "metric")]
    from: Option<Timestamp>,
    /// Before this moment
    #[arg(long, value_name = "WHEN", value_parser = moments::moment, allow_hyphen_values = true, requires = "metric")]
    to: Option<Timestamp>,
    /// In steps of this length
    #[arg(long, value_name = "LENGTH", value_parser = moments::length, requires = "metric")]
    bucket: Option<Duration>,
    /// One series for each: workflow, node or type
    #[arg(long, value_name = "WHAT", value_parser = group, requires = "metric")]
    by: Option<GroupBy>,
}

fn group(text: &str) -> Result<GroupBy, String> {
    match text {
        "workflow" => Ok(GroupBy::WorkflowId),
        "node" => Ok(GroupBy::NodeId),
        "type" => Ok(GroupBy::NodeType),
        _ => Err("write workflow, node or type".into()),
    }
}

impl Args {
    pub(super) async fn run(self, cx: &Context) -> Outcome {
        let session = cx.session().await?;
        if let Some(word) = &self.execution {
            return of_execution(cx, &session, word).await;
        }
        if self.metric.is_some() {
            return self.over_time(cx, &session).await;
        }
        let metrics = ask::<Metrics>(&session, &Nothing {}).await?;
        let all = &metrics.value.metrics;
        let names = || all.iter().map(|metric| metric.name.clone()).collect();
        cx.out.show(&metrics.json, names, |out| {
            let mut table = Table::new(&["METRIC~", ">VALUE", "LABELS~"]);
            for metric in all {
                let labels: Vec<String> =
                    metric.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let value = number(metric.value);
                table.row([metric.name.as_str().into(), value.into(), labels.join(" ").into()]);
            }
            table.text(out, "No metrics.")
        })?;
        Ok(Exit::Done)
    }

    async fn over_time(self, cx: &Context, session: &Session) -> Outcome {
        let params = QueryParams {
            metric: self.metric,
            from: self.from,
            to: self.to,
            bucket: self.bucket.map(|b| u64::try_from(b.as_millis()).unwrap_or(u64::MAX)),
            group_by: self.by,
            ..QueryParams::default()
        };
        let answer = ask::<Query>(session, &params).await?;
        cx.out.show(&answer.json, Vec::new, |out| {
            let mut table =
                Table::new(&["OF~", "FROM", ">COUNT", ">MIN", ">P50", ">P95", ">MAX", "UNIT"]);
            for series in &answer.value.series {
                for point in &series.points {
                    let quantile = |value: Option<f64>| Cell::or_dash(value.map(number));
                    table.row([
                        series.group.as_str().into(),
                        out.date(point.at).into(),
                        point.count.to_string().into(),
                        number(point.min).into(),
                        quantile(point.p50),
                        quantile(point.p95),
                        number(point.max).into(),
                        series.unit.as_str().into(),
                    ]);
                }
            }
            table.text(out, "Nothing was measured in that time.")
        })?;
        Ok(Exit::Done)
    }
}

async fn of_execution(cx: &Context, session: &Session, word: &str) -> Outcome {
    let id = which::execution(session, word).await?;
    let params = QueryParams { execution_id: Some(id), ..QueryParams::default() };
    let answer = ask::<Query>(session, &params).await?;
    let values = &answer.value.values;
    let names = || values.iter().map(|value| value.metric_name.clone()).collect();
    cx.out.show(&answer.json, names, |out| {
        let mut table = Table::new(&["NODE~", "METRIC~", ">VALUE", "UNIT"]);
        for value in values {
            table.row([
                Cell::or_dash(value.node_id.as_deref()),
                value.metric_name.as_str().into(),
                measured(out, value.metric_value, &value.unit).into(),
                if value.unit == "bytes" { "".into() } else { value.unit.as_str().into() },
            ]);
        }
        table.text(out, "Nothing was measured.")
    })?;
    Ok(Exit::Done)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes are positive, and `as` saturates"
)]
fn measured(_: &Out, value: f64, unit: &str) -> String {
    if unit == "bytes" { size(value as u64) } else { number(value) }
}

/// A number without digits that say nothing.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}
