//! From settings to what the parts are tuned with; live ones are followed as they change.

use std::sync::Arc;
use std::time::Duration;

use a2n_proto::api::system::Mode;
use tokio::sync::watch;

use super::descriptors::Descriptors;
use super::spawn_until_stop;
use crate::config::Config;
use crate::engine::driving::handle::{SharedLimits, Tuning};
use crate::nodes::{self, Nodes};
use crate::operations::logbook::Logbook;
use crate::operations::settings::{Settings, table};
use crate::rpc;
use crate::store::{self, Store};
use crate::system::attachments::{Attachments, Limits};
use crate::tasks::Tasks;

pub(super) fn rpc_limits(settings: &Settings, shares: Descriptors) -> rpc::Limits {
    rpc::Limits {
        max_frame_in_bytes: settings.get(&table::RPC_MAX_REQUEST),
        max_frame_out_bytes: settings.get(&table::RPC_MAX_RESPONSE),
        max_connections: settings.get::<usize>(&table::RPC_MAX_CONNECTIONS).min(shares.connections),
        max_connections_per_uid: settings.get(&table::RPC_MAX_CONNECTIONS_PER_UID),
        max_in_flight: settings.get(&table::RPC_MAX_IN_FLIGHT),
        max_in_flight_per_connection: settings.get(&table::RPC_MAX_IN_FLIGHT_PER_CONNECTION),
        max_subscriptions_per_connection: settings.get(&table::RPC_MAX_SUBSCRIPTIONS),
        max_batch: settings.get(&table::RPC_MAX_BATCH),
        first_byte_within: Duration::from_secs(settings.get(&table::RPC_FIRST_BYTE)),
        message_within: Duration::from_secs(settings.get(&table::RPC_MESSAGE)),
        write_stall: Duration::from_secs(settings.get(&table::RPC_SEND_TIMEOUT)),
        stop_grace: Duration::from_millis(settings.get(&table::SHUTDOWN_GRACE)),
    }
}

/// Whether workflows may call loopback and private addresses.
fn private_addresses(config: &Config, settings: &Settings) -> bool {
    // In user mode every workflow is the OWNER's: private addresses are theirs to call.
    config.mode == Mode::User || settings.get(&table::HTTP_PRIVATE)
}

pub(super) fn step_settings(config: &Config, settings: &Settings) -> nodes::Settings {
    let mut steps = nodes::Settings::new(config.steps_dir());
    steps.path = settings.get(&table::STEP_PATH);
    steps.private_addresses = private_addresses(config, settings);
    steps.grace = Duration::from_millis(settings.get(&table::ENGINE_CANCEL_GRACE));
    steps.max_output_bytes = settings.get(&table::STEP_OUTPUT);
    steps.max_text_bytes = settings.get(&table::STEP_TEXT);
    steps.max_line_bytes = settings.get(&table::STEP_LINE);
    steps.max_log_bytes = settings.get(&table::STEP_LOG);
    steps.max_file_bytes = settings.get(&table::STEP_FILE);
    steps.max_answer_bytes = settings.get(&table::HTTP_BODY);
    steps
}

/// Brings the limits of steps up to the settings when they change.
pub(super) fn follow_step_settings(
    tasks: &Tasks,
    settings: &Settings,
    config: &Config,
    nodes: Arc<Nodes>,
) {
    let (mut output, mut text) =
        (settings.watch(&table::STEP_OUTPUT), settings.watch(&table::STEP_TEXT));
    let (mut line, mut log) = (settings.watch(&table::STEP_LINE), settings.watch(&table::STEP_LOG));
    let (mut file, mut body) =
        (settings.watch(&table::STEP_FILE), settings.watch(&table::HTTP_BODY));
    let (settings, config) = (settings.clone(), config.clone());
    spawn_until_stop(tasks, "step settings", async move {
        loop {
            tokio::select! {
                _ = output.changed() => {}
                _ = text.changed() => {}
                _ = line.changed() => {}
                _ = log.changed() => {}
                _ = file.changed() => {}
                _ = body.changed() => {}
            }
            nodes.set_settings(step_settings(&config, &settings));
        }
    });
}

pub(super) fn attachment_limits(settings: &Settings) -> Limits {
    Limits {
        each_bytes: settings.get(&table::ATTACHMENT_EACH),
        total_bytes: settings.get(&table::ATTACHMENT_TOTAL),
        least_free_bytes: settings.get(&table::STORE_MIN_FREE),
        least_free_percent: settings.get(&table::STORE_MIN_FREE_PERCENT),
    }
}

pub(super) fn store_limits(settings: &Settings) -> store::Limits {
    store::Limits {
        least_free_bytes: settings.get(&table::STORE_MIN_FREE),
        least_free_percent: settings.get(&table::STORE_MIN_FREE_PERCENT),
        idempotency_ms: settings.get::<u64>(&table::RPC_IDEMPOTENCY) * 24 * 3_600_000,
    }
}

/// Brings the limits of the store up to the settings, those that lie in it included, and when they
/// change.
pub(super) fn follow_store_limits(tasks: &Tasks, settings: &Settings, store: Store) {
    let (mut free, mut percent) =
        (settings.watch(&table::STORE_MIN_FREE), settings.watch(&table::STORE_MIN_FREE_PERCENT));
    let mut days = settings.watch(&table::RPC_IDEMPOTENCY);
    store.set_limits(store_limits(settings));
    let settings = settings.clone();
    spawn_until_stop(tasks, "store limits", async move {
        loop {
            tokio::select! {
                _ = free.changed() => {}
                _ = percent.changed() => {}
                _ = days.changed() => {}
            }
            store.set_limits(store_limits(&settings));
        }
    });
}

/// Brings the limits of attachments up to the settings when they change.
pub(super) fn follow_attachment_limits(
    tasks: &Tasks,
    settings: &Settings,
    attachments: Attachments,
) {
    let (mut each, mut total) =
        (settings.watch(&table::ATTACHMENT_EACH), settings.watch(&table::ATTACHMENT_TOTAL));
    let (mut free, mut percent) =
        (settings.watch(&table::STORE_MIN_FREE), settings.watch(&table::STORE_MIN_FREE_PERCENT));
    let settings = settings.clone();
    spawn_until_stop(tasks, "attachment limits", async move {
        loop {
            tokio::select! {
                _ = each.changed() => {}
                _ = total.changed() => {}
                _ = free.changed() => {}
                _ = percent.changed() => {}
            }
            attachments.set_limits(attachment_limits(&settings));
        }
    });
}

/// The engine's tuning, and a task that brings it up to the settings when they change.
pub(super) fn follow_tuning(
    tasks: &Tasks,
    settings: &Settings,
    config: &Config,
    shares: Descriptors,
) -> watch::Receiver<Arc<Tuning>> {
    let (tell, tuning) = watch::channel(Arc::new(tuned(settings, config, shares)));
    let (mut slots, mut kept) =
        (settings.watch(&table::ENGINE_PARALLEL), settings.watch(&table::ENGINE_NODE_STATE_KEPT));
    let mut shown = settings.watch(&table::ENGINE_OUTPUT_KEPT);
    let mut allowed = settings.watch(&table::EXPRESSION_ENV);
    let mut unfinished = settings.watch(&table::ENGINE_MAX_UNFINISHED);
    let mut share = settings.watch(&table::ENGINE_PARALLEL_WORKFLOW);
    let mut rates = settings.watch(&table::NODE_RATES);
    let mut results = settings.watch(&table::ENGINE_RESULTS);
    let mut quarantine = settings.watch(&table::ENGINE_QUARANTINE);
    let (mut live, mut live_bytes) =
        (settings.watch(&table::ENGINE_MAX_LIVE), settings.watch(&table::ENGINE_MAX_LIVE_BYTES));
    let (mut key, mut value) =
        (settings.watch(&table::STATE_KEY), settings.watch(&table::STATE_VALUE));
    let mut keys = settings.watch(&table::STATE_KEYS);
    let mut input = settings.watch(&table::ENGINE_INPUT);
    let (settings, config) = (settings.clone(), config.clone());
    spawn_until_stop(tasks, "tuning", async move {
        loop {
            tokio::select! {
                _ = slots.changed() => {}
                _ = kept.changed() => {}
                _ = shown.changed() => {}
                _ = allowed.changed() => {}
                _ = quarantine.changed() => {}
                _ = results.changed() => {}
                _ = live.changed() => {}
                _ = live_bytes.changed() => {}
                _ = unfinished.changed() => {}
                _ = share.changed() => {}
                _ = rates.changed() => {}
                _ = key.changed() => {}
                _ = value.changed() => {}
                _ = keys.changed() => {}
                _ = input.changed() => {}
            }
            tell.send_replace(Arc::new(tuned(&settings, &config, shares)));
        }
    });
    tuning
}

fn tuned(settings: &Settings, config: &Config, shares: Descriptors) -> Tuning {
    let allowed: Vec<String> = settings.get(&table::EXPRESSION_ENV);
    let slots = settings.get::<usize>(&table::ENGINE_PARALLEL).min(shares.steps);
    let share = match settings.get::<usize>(&table::ENGINE_PARALLEL_WORKFLOW) {
        0 => slots - slots / 8,
        share => share.min(slots),
    };
    let slots = u32::try_from(slots).unwrap_or(u32::MAX);
    Tuning {
        result_bytes: settings.get(&table::ENGINE_RESULTS),
        quarantine_after: u32::try_from(settings.get(&table::ENGINE_QUARANTINE))
            .unwrap_or(u32::MAX),
        parallel_jobs: slots,
        parallel_jobs_per_workflow: u32::try_from(share).unwrap_or(u32::MAX),
        parallel_jobs_per_execution: slots,
        max_live: settings.get(&table::ENGINE_MAX_LIVE),
        max_live_bytes: settings.get(&table::ENGINE_MAX_LIVE_BYTES),
        max_unfinished: settings.get(&table::ENGINE_MAX_UNFINISHED),
        output_cut_bytes: settings.get(&table::ENGINE_NODE_STATE_KEPT),
        output_data_bytes: settings.get(&table::ENGINE_OUTPUT_KEPT),
        max_input_bytes: settings.get(&table::ENGINE_INPUT),
        shared: SharedLimits {
            key_bytes: settings.get(&table::STATE_KEY),
            value_bytes: settings.get(&table::STATE_VALUE),
            keys: settings.get(&table::STATE_KEYS),
        },
        allowed_env: Arc::new(
            allowed
                .into_iter()
                .filter_map(|name| Some((name.clone(), config.environment.get(&name)?.clone())))
                .collect(),
        ),
        rates: Arc::new(settings.get(&table::NODE_RATES)),
        private_addresses: private_addresses(config, settings),
    }
}

pub(super) fn follow_log_level(tasks: &Tasks, settings: &Settings, logbook: Logbook) {
    let mut level = settings.watch(&table::LOG_LEVEL);
    logbook.set_level(level.value());
    spawn_until_stop(tasks, "log level", async move {
        loop {
            let level = level.changed().await;
            logbook.set_level(&level);
        }
    });
}
