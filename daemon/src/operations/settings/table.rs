//! The table of all settings. One line each: constant, type, key, values, when it takes effect,
//! one sentence. `docs/settings.md` is written from it.

use super::declare::{Declaration, Kind, Rates, Setting};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const LIVE: bool = true;
const RESTART: bool = false;

const fn number(min: u64, max: u64, default: u64, unit: &'static str) -> Kind {
    assert!(min <= default && default <= max, "a default lies in its range");
    Kind::Number { min, max, default, unit }
}
const fn folders(default: &'static str) -> Kind {
    Kind::Folders { default }
}
const fn choice(choices: &'static [&'static str], default: &'static str) -> Kind {
    Kind::Text { choices, default }
}
const fn yes_no(default: bool) -> Kind {
    Kind::Boolean { default }
}
const fn list(default: &'static [&'static str]) -> Kind {
    Kind::List { default }
}

macro_rules! settings {
    ($($name:ident: $type:ty = $key:literal $kind:expr, $live:ident, $about:literal;)*) => {
        $(
            #[doc = $about]
            pub static $name: Setting<$type> = Setting::new($key, $kind, $live, true, $about);
        )*
        /// Every setting, in the order of the table.
        pub static ALL: &[&Declaration] = &[$(&$name.declaration),*];
    };
}

settings! {
    // The socket.
    RPC_MAX_REQUEST: usize = "rpc.maxRequestBytes" number(64 * KIB, 256 * MIB, 4 * MIB, "bytes"), RESTART,
        "Largest request accepted on the socket.";
    RPC_MAX_RESPONSE: usize = "rpc.maxResponseBytes" number(64 * KIB, 256 * MIB, 16 * MIB, "bytes"), RESTART,
        "Largest answer given on the socket; a larger one is an error that says so.";
    RPC_MAX_CONNECTIONS: usize = "rpc.maxConnections" number(4, 100_000, 512, "clients"), RESTART,
        "Most clients connected at once; a further one is refused with a reason. Fewer where descriptors are short.";
    RPC_MAX_CONNECTIONS_PER_UID: usize = "rpc.maxConnectionsPerUser" number(2, 100_000, 256, "clients"), RESTART,
        "Most clients connected at once by one Unix user.";
    RPC_MAX_IN_FLIGHT: usize = "rpc.maxInFlight" number(1, 100_000, 4096, "calls"), RESTART,
        "Most calls of all clients worked on at once; a further one is told OVERLOADED.";
    RPC_MAX_IN_FLIGHT_PER_CONNECTION: usize = "rpc.maxInFlightPerConnection" number(1, 10_000, 256, "calls"), RESTART,
        "Most calls of one client worked on at once; further ones wait.";
    RPC_MAX_SUBSCRIPTIONS: usize = "rpc.maxSubscriptions" number(1, 10_000, 64, "subscriptions"), RESTART,
        "Most subscriptions of one client.";
    RPC_MAX_BATCH: usize = "rpc.maxBatch" number(1, 10_000, 100, "calls"), RESTART,
        "Most calls in one batch.";
    RPC_FIRST_BYTE: u64 = "rpc.firstByteSeconds" number(1, 3600, 30, "seconds"), RESTART,
        "How long a client may stay silent before its first byte.";
    RPC_MESSAGE: u64 = "rpc.messageSeconds" number(1, 3600, 30, "seconds"), RESTART,
        "How long a message that has begun may stand still; one that comes at 1 KiB a second or faster is waited for.";
    RPC_SEND_TIMEOUT: u64 = "rpc.sendTimeoutSeconds" number(1, 3600, 30, "seconds"), RESTART,
        "How long a client may leave its answers unread before it is cut off.";
    RPC_IDEMPOTENCY: u64 = "rpc.idempotencyDays" number(7, 365, 7, "days"), LIVE,
        "How long an idempotency key returns its first answer.";

    // Running.
    ENGINE_PARALLEL: usize = "engine.parallelSteps" number(1, 10_000, 32, "steps"), LIVE,
        "Most steps with an outside effect that run at once.";
    ENGINE_PARALLEL_WORKFLOW: usize = "engine.parallelStepsPerWorkflow" number(0, 10_000, 0, "steps, 0 for all but an eighth"), LIVE,
        "Most steps of one workflow that run at once: what is left is there for others at once.";
    ENGINE_MAX_LIVE: usize = "engine.maxLive" number(100, 10_000_000, 10_000, "executions"), LIVE,
        "Most executions in memory at once, those that only wait not counted; further ones are accepted and wait in the store.";
    ENGINE_MAX_LIVE_BYTES: usize = "engine.maxLiveBytes" number(MIB, 64 * GIB, 64 * MIB, "bytes"), LIVE,
        "Most inputs of executions in memory; beyond it further ones are accepted and wait in the store.";
    ENGINE_MAX_UNFINISHED: u64 = "engine.maxUnfinished" number(100, 100_000_000, 2_000_000, "executions"), LIVE,
        "Most executions that were accepted and have not ended; a further one is told OVERLOADED.";
    ENGINE_NODE_STATE_KEPT: usize = "engine.nodeStateKeptBytes" number(KIB, 64 * MIB, 64 * KIB, "bytes"), LIVE,
        "How much of a node's input and output is kept once its execution has ended.";
    ENGINE_OUTPUT_KEPT: usize = "engine.outputKeptBytes" number(KIB, 8 * MIB, 4 * MIB, "bytes"), LIVE,
        "Largest output that an ended execution shows; a node whose items do not fit shows their size.";
    ENGINE_TIMEOUT: u64 = "engine.timeoutMs" number(0, 31_622_400_000, 0, "milliseconds, 0 for none"), LIVE,
        "Running time of an execution whose workflow says none.";
    ENGINE_STEP_TIMEOUT: u64 = "engine.stepTimeoutMs" number(0, 31_622_400_000, 3_600_000, "milliseconds, 0 for none"), LIVE,
        "Running time of one attempt whose node and definition say none.";
    ENGINE_CANCEL_GRACE: u64 = "engine.cancelGraceMs" number(0, 3_600_000, 10_000, "milliseconds"), RESTART,
        "How long a step may take to end after it was asked to, before it is killed.";
    ENGINE_RESULTS: u64 = "engine.maxResultBytes" number(MIB, 28 * MIB, 24 * MIB, "bytes"), LIVE,
        "What all results of an execution may come to while it lives; the node that goes beyond it fails (TOO_LARGE).";
    ENGINE_QUARANTINE: u64 = "engine.quarantineAfter" number(0, 1_000, 3, "failures, 0 for never"), LIVE,
        "How often an execution may make the engine fail without getting on, before it is put aside.";
    ENGINE_SAFE_MODE: usize = "engine.safeModeAfter" number(0, 100, 3, "crashes, 0 for never"), RESTART,
        "How many crashes of the daemon within five minutes make it start in safe mode, with the engine paused.";
    ENGINE_INPUT: usize = "engine.maxInputBytes" number(KIB, 256 * MIB, MIB, "bytes"), LIVE,
        "Largest payload that an execution is started with.";
    STATE_KEY: usize = "state.maxKeyBytes" number(16, 4 * KIB, 256, "bytes"), LIVE,
        "Longest name of a value that `state` nodes share.";
    STATE_VALUE: usize = "state.maxValueBytes" number(KIB, MIB, 64 * KIB, "bytes"), LIVE,
        "Largest value that `state` nodes share.";
    STATE_KEYS: u64 = "state.maxKeys" number(1, 1_000_000, 10_000, "values"), LIVE,
        "Most values that one workflow, or one owner, shares.";
    EXPRESSION_ENV: Vec<String> = "expression.env" list(&[]), LIVE,
        "Names of environment variables that expressions may read as `env`.";
    EXPRESSION_FUEL: u64 = "expression.fuel" number(1_000, 1_000_000_000, 1_000_000, "instructions"), LIVE,
        "How long an expression may compute before it is an error.";
    STEP_PATH: String = "step.path" folders("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), RESTART,
        "PATH of steps that run as processes.";
    STEP_LINE: usize = "step.maxLineBytes" number(KIB, MIB, 64 * KIB, "bytes"), LIVE,
        "Longest line of a step's output; a longer one is split.";
    STEP_OUTPUT: usize = "step.maxOutputBytes" number(KIB, GIB, 4 * MIB, "bytes"), LIVE,
        "Most output of a step that is read as lines, JSON or a table; a step with more fails.";
    STEP_TEXT: usize = "step.maxTextBytes" number(KIB, GIB, MIB, "bytes"), LIVE,
        "How much of a step's stdout becomes the text of its item; the rest is cut off.";
    STEP_LOG: u64 = "step.maxLogBytes" number(64 * KIB, 1024 * GIB, GIB, "bytes"), LIVE,
        "Most output of one attempt that is logged; a line says where it was cut.";
    STEP_FILE: usize = "step.maxFileBytes" number(KIB, GIB, 16 * MIB, "bytes"), LIVE,
        "Longest text that a file step reads or writes; bytes are attachments.";
    HTTP_PRIVATE: bool = "http.privateAddresses" yes_no(false), RESTART,
        "Whether http steps may call loopback and private addresses and Unix sockets; cloud metadata never.";
    HTTP_BODY: usize = "http.maxBodyBytes" number(KIB, GIB, 16 * MIB, "bytes"), LIVE,
        "Longest JSON or text that an http step takes in; bytes are attachments.";

    NODE_RATES: Rates = "nodes.rateLimits" Kind::Rates, LIVE,
        "How often steps of a node definition may begin: so many requests in a window, and so many at once. Others wait.";

    ATTACHMENT_EACH: u64 = "attachments.maxBytes" number(KIB, 1024 * GIB, GIB, "bytes"), LIVE,
        "Largest attachment: an answer's body or a file that is kept as bytes.";
    ATTACHMENT_TOTAL: u64 = "attachments.maxTotalBytes" number(MIB, 16_384 * GIB, 10 * GIB, "bytes"), LIVE,
        "How much all attachments may take together; a step that would need more fails.";

    // Workflows and triggers.
    WORKFLOW_NODES: usize = "workflow.maxNodes" number(1, 100_000, 10_000, "nodes"), LIVE,
        "Most nodes in a workflow.";
    WORKFLOW_BYTES: usize = "workflow.maxDocumentBytes" number(KIB, 64 * MIB, MIB, "bytes"), LIVE,
        "Largest workflow document.";
    SCHEDULE_CATCH_UP: u64 = "schedule.catchUpPerSecond" number(1, 10_000, 10, "starts"), LIVE,
        "How many missed runs are started a second after a pause.";
    SCHEDULE_UPCOMING: usize = "schedule.maxUpcoming" number(1, 100_000, 1_000, "instants"), LIVE,
        "Most instants in one answer about what is due.";

    // The store.
    STORE_CACHE: usize = "store.cacheBytes" number(4 * MIB, 64 * GIB, 64 * MIB, "bytes"), RESTART,
        "Memory that the store keeps pages in.";
    STORE_MIN_FREE: u64 = "store.minFreeBytes" number(0, 1024 * GIB, 512 * MIB, "bytes"), LIVE,
        "Below this much free disk space nothing new is accepted; what was accepted goes on.";
    STORE_MIN_FREE_PERCENT: u64 = "store.minFreePercent" number(0, 50, 5, "percent"), LIVE,
        "The same as a part of the disk; the larger of both counts.";
    STORE_BALLAST: u64 = "store.ballastBytes" number(0, GIB, 32 * MIB, "bytes"), RESTART,
        "A file of this size is given up when the disk is full, so that what was accepted can end.";
    STORE_MAX: u64 = "store.maxBytes" number(0, 16_384 * GIB, 0, "bytes, 0 for no limit"), LIVE,
        "Size of the whole store above which the oldest history of executions is removed, by month; where that is not enough, nothing new is accepted.";
    HISTORY_NEWEST: usize = "history.newestExecutions" number(0, 1_000_000, 1_000, "executions"), LIVE,
        "How many ended executions stay in the live store before they move to the history.";
    HISTORY_BATCH: usize = "history.batch" number(1, 100_000, 500, "executions"), LIVE,
        "How many executions are copied to the history at a time; they leave the live store in short commits that no writer waits for.";
    FEED_DAYS: u64 = "feed.days" number(1, 365, 7, "days"), LIVE,
        "How long a change stays in the feed, for subscribers that come back.";
    FEED_CHANGES: u64 = "feed.changes" number(1_000, 100_000_000, 1_000_000, "changes"), LIVE,
        "How many changes stay in the feed at most.";
    FEED_MEMORY: usize = "feed.memoryChanges" number(100, 1_000_000, 10_000, "changes"), RESTART,
        "How many of the newest changes are kept in memory.";

    // What is kept how long.
    RETENTION_SUCCESS: u64 = "retention.successDays" number(1, 36_500, 90, "days"), LIVE,
        "How long successful executions are kept; from history they go by whole months.";
    RETENTION_FAILED: u64 = "retention.failedDays" number(1, 36_500, 180, "days"), LIVE,
        "How long failed and cancelled executions are kept; from history they go by whole months.";
    RETENTION_LOGS: u64 = "retention.logDays" number(1, 36_500, 30, "days"), LIVE,
        "How long the output of steps is kept.";
    RETENTION_LOG_BYTES: u64 = "retention.logBytes" number(16 * MIB, 16_384 * GIB, 10 * GIB, "bytes"), LIVE,
        "How much output of steps is kept; the oldest goes first.";
    RETENTION_SYSTEM_LOG: u64 = "retention.systemLogDays" number(1, 36_500, 90, "days"), LIVE,
        "How long the daemon's own log is kept in its data folder.";
    RETENTION_SYSTEM_LOG_BYTES: u64 = "retention.systemLogBytes" number(MIB, 1024 * GIB, 512 * MIB, "bytes"), LIVE,
        "How much of the daemon's own log is kept in its data folder.";
    RETENTION_ROLLUPS: u64 = "retention.rollupDays" number(1, 36_500, 180, "days"), LIVE,
        "How long measured values per minute are kept.";
    RETENTION_SCHEDULE: u64 = "retention.scheduleDays" number(7, 36_500, 90, "days"), LIVE,
        "How long it is kept what became of each due instant.";
    RETENTION_EVENT_DAYS: u64 = "retention.eventDays" number(1, 36_500, 30, "days"), LIVE,
        "How long events stay in the inbox.";
    RETENTION_EVENTS: u64 = "retention.events" number(1_000, 100_000_000, 100_000, "events"), LIVE,
        "How many events stay in the inbox at most; the oldest go first.";
    RETENTION_BATCH: usize = "retention.batch" number(1, 100_000, 500, "rows"), LIVE,
        "How many rows the cleaner looks for at a time; it removes them in short commits that no writer waits for.";

    // The daemon itself.
    LOG_LEVEL: String = "log.level" choice(&["ERROR", "WARN", "INFO", "DEBUG", "TRACE"], "INFO"), LIVE,
        "What the daemon logs of itself.";
    LOG_FILE: String = "log.file" Kind::File, RESTART,
        "File beside the journal that the daemon logs to, rotated daily; none where empty.";
    LOG_FILES: usize = "log.files" number(1, 3650, 14, "files"), RESTART,
        "How many rotated log files stay.";
    LOG_FORMAT: String = "log.format" choice(&["TEXT", "JSON"], "TEXT"), RESTART,
        "How the log file and standard error are written.";
    METRICS_WORKFLOW_NAMES: bool = "metrics.workflowNames" yes_no(false), LIVE,
        "Whether /metrics names workflows; those who may read it may not see them all.";
    SHUTDOWN_GRACE: u64 = "shutdown.graceMs" number(100, 3_600_000, 4_000, "milliseconds"), LIVE,
        "How long the daemon waits for calls and steps when it is asked to stop.";
}
