//! Starting an execution: which version, with which inputs, in whose name. RPC and triggers come
//! through here; the driver accepts what this makes.

use std::sync::Arc;

use a2n_proto::execution::{Execution, ExecutionMetadata, ExecutionStatus};
use a2n_proto::workflow::Workflow;
use a2n_proto::{ExecutionId, Json, Problem, UserId, WorkflowId, WorkflowTriggerId};
use tokio::sync::oneshot;

use super::handle::{Accepted, Beginning, Engine, Error as EngineError, Within};
use super::places::Rule;
use super::plans::{Error as PlanError, Plans};
use crate::engine::execution::{Parent, Start, State};
use crate::engine::plan::{Plan, Unsupported};
use crate::store::{self, Origin, Store, workflow_version};
use crate::system::System;

/// What is to be started.
#[derive(Debug)]
pub struct Wanted {
    /// The workflow, as the caller may see it.
    pub workflow: Workflow,
    /// Which version.
    pub version: Version,
    /// `inputs` in expressions.
    pub inputs: Json,
    /// What the trigger brought (`trigger` in expressions); null for a plain run.
    pub trigger_data: Json,
    /// The one item that start nodes get.
    pub payload: Json,
    /// The trigger, where one starts it.
    pub trigger: Option<WorkflowTriggerId>,
    /// Higher first.
    pub priority: i32,
    /// Whose rights it has.
    pub user: UserId,
    /// Where it comes from.
    pub metadata: ExecutionMetadata,
    /// Who is told of its end, where that is waited for.
    pub waiter: Option<oneshot::Sender<Execution>>,
}

/// Which version of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The published one.
    Published,
    /// The newest one, published or not.
    Draft,
    /// This one.
    Exactly(u32),
}

/// Why an execution did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The workflow was never published.
    #[error("workflow `{0}` is not published")]
    Unpublished(String),
    /// The workflow is archived.
    #[error("workflow `{0}` is archived")]
    Archived(String),
    /// There is no such version.
    #[error("workflow `{name}` has no version {version}")]
    NoVersion {
        /// The workflow.
        name: String,
        /// The version that was asked for.
        version: u32,
    },
    /// The version needs something that this daemon can't run.
    #[error(transparent)]
    Unsupported(Unsupported),
    /// A node would touch the world, and this daemon has nobody to do it with fewer rights.
    #[error("node `{0}` works outside the daemon, which a system-mode daemon can't do yet")]
    NoOutside(String),
    /// The version has problems (a node definition it needs may be gone).
    #[error("the version has problems")]
    Problems(Vec<Problem>),
    /// The engine did not take it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Starts executions; cheap to clone.
#[derive(Debug, Clone)]
pub struct Starter {
    /// Where workflows are kept.
    pub store: Store,
    /// Plans of their versions.
    pub plans: Arc<Plans>,
    /// Who accepts.
    pub engine: Engine,
    /// Gives ids.
    pub system: System,
    /// Whether nodes that touch the world may run: in system mode not before there is a worker
    /// with the rights of the step's user.
    pub outside_steps: bool,
}

impl Starter {
    /// The plan of a workflow's version, and its number.
    pub fn plan(&self, workflow: &Workflow, version: Version) -> Result<(u32, Arc<Plan>), Error> {
        let (number, plan) = self.any_plan(workflow, version)?;
        if let Some(what) = plan.unsupported() {
            return Err(Error::Unsupported(what.clone()));
        }
        if !self.outside_steps
            && let Some(node) = plan.nodes().iter().find(|node| node.touches_world())
        {
            return Err(Error::NoOutside(node.id.clone()));
        }
        Ok((number, plan))
    }

    /// The same where it is only looked at: also of one that this daemon can't run.
    pub fn any_plan(
        &self,
        workflow: &Workflow,
        version: Version,
    ) -> Result<(u32, Arc<Plan>), Error> {
        let number = match version {
            Version::Published => workflow
                .published_version
                .ok_or_else(|| Error::Unpublished(workflow.name.clone()))?,
            Version::Draft => workflow.version,
            Version::Exactly(number) => number,
        };
        let plan = match self.plans.kept(workflow.id, number) {
            Some(plan) => plan,
            None => self.make_plan(workflow.id, &workflow.name, number)?,
        };
        Ok((number, plan))
    }

    /// How many of a workflow's executions may run at once: as its published version says, whichever
    /// version runs; where none is published, as the one does that is `run`.
    pub fn rule(&self, workflow: &Workflow, run: &Plan) -> Rule {
        let published = workflow.published_version.and_then(|number| {
            self.plans
                .kept(workflow.id, number)
                .or_else(|| self.make_plan(workflow.id, &workflow.name, number).ok())
        });
        let concurrency = published.as_deref().unwrap_or(run).concurrency().clone();
        Rule { revision: workflow.revision, concurrency }
    }

    fn make_plan(&self, id: WorkflowId, name: &str, number: u32) -> Result<Arc<Plan>, Error> {
        let snapshot = self.store.read()?;
        let definition = workflow_version::definition(&snapshot, id, number)?
            .ok_or_else(|| Error::NoVersion { name: name.to_owned(), version: number })?;
        self.plans.make(id, number, &definition).map_err(|error| match error {
            PlanError::Problems(problems) => Error::Problems(problems),
            PlanError::Unreadable(error) => {
                Error::Unsupported(Unsupported { what: error.to_string(), path: String::new() })
            }
        })
    }

    /// Starts an execution; it is durable when this answers. `within` is written in the same
    /// transaction before it and may find that it was accepted before.
    pub async fn start(
        &self,
        wanted: Wanted,
        origin: Origin,
        within: impl FnOnce(ExecutionId) -> Option<Within>,
    ) -> Result<Accepted, Error> {
        self.store.admit()?;
        let id = ExecutionId::from_bytes(self.system.new_id());
        let beginning = self.beginning(wanted, id, None, origin)?;
        let within = within(id);
        Ok(self.engine.start(Box::new(Beginning { within, ..beginning })).await?)
    }

    /// Starts an execution that belongs to another one, under an id that follows from that: what was
    /// accepted goes on, however much is live and however little room there is. `context` says for
    /// people where it comes from.
    pub async fn start_child(
        &self,
        wanted: Wanted,
        id: ExecutionId,
        parent: Parent,
        context: Json,
        origin: Origin,
        within: Option<Within>,
    ) -> Result<Accepted, Error> {
        let mut beginning = self.beginning(wanted, id, Some(parent), origin)?;
        beginning.execution.context_data = context;
        Ok(self.engine.start(Box::new(Beginning { within, is_owed: true, ..beginning })).await?)
    }

    fn beginning(
        &self,
        wanted: Wanted,
        id: ExecutionId,
        parent: Option<Parent>,
        origin: Origin,
    ) -> Result<Beginning, Error> {
        if wanted.workflow.archived_at.is_some() {
            return Err(Error::Archived(wanted.workflow.name));
        }
        let (version, plan) = self.plan(&wanted.workflow, wanted.version)?;
        let rule = self.rule(&wanted.workflow, &plan);
        let mut execution = header(id, &wanted, version, &origin);
        execution.parent_execution_id = parent.as_ref().map(|parent| parent.execution);
        // Recorded data is for those who build; what is published works for real.
        let pinned = match wanted.version {
            Version::Draft => plan.pinned(origin.at),
            Version::Published | Version::Exactly(_) => std::collections::BTreeMap::new(),
        };
        if !pinned.is_empty() {
            let nodes: Vec<&str> = pinned.keys().map(|key| key.node.as_str()).collect();
            execution.context_data = Json::from(serde_json::json!({"pinned": nodes}));
        }
        let state = State::new(Start {
            execution: id,
            workflow: wanted.workflow.id,
            owner: wanted.workflow.user_id,
            // A child counts as started by whose rights it has.
            started_by: origin.user.or(parent.as_ref().map(|_| wanted.user)),
            inbox: 0,
            version,
            created_at: origin.at,
            trigger: wanted.trigger_data,
            inputs: wanted.inputs,
            payload: wanted.payload,
            retry_of: None,
            carried: pinned,
            done_before: std::collections::BTreeMap::new(),
            parent,
        });
        let (within, waiter, is_owed) = (None, wanted.waiter, false);
        Ok(Beginning { execution, plan, state, rule, origin, within, waiter, is_owed })
    }

    /// Starts a retry: `state` has taken over what it may from the execution `old`.
    pub async fn start_retry(
        &self,
        workflow: &Workflow,
        old: &Execution,
        plan: Arc<Plan>,
        state: State,
        origin: Origin,
        within: Option<Within>,
    ) -> Result<Accepted, Error> {
        if workflow.archived_at.is_some() {
            return Err(Error::Archived(workflow.name.clone()));
        }
        self.store.admit()?;
        let start = state.start();
        let rule = self.rule(workflow, &plan);
        let execution = Execution {
            id: start.execution,
            revision: 1,
            created_at: origin.at,
            updated_at: origin.at,
            status: ExecutionStatus::Pending,
            start_time: None,
            end_time: None,
            duration: None,
            input_data: start.inputs.clone(),
            output_data: Json::null(),
            error_message: None,
            error_details: None,
            retry_count: 0,
            retry_of: Some(old.id),
            paused_reason: None,
            workflow_version: start.version,
            metadata: ExecutionMetadata { idempotency_key: None, ..old.metadata.clone() },
            ..old.clone()
        };
        let (waiter, is_owed) = (None, false);
        let beginning = Beginning { execution, plan, state, rule, origin, within, waiter, is_owed };
        Ok(self.engine.start(Box::new(beginning)).await?)
    }
}

fn header(id: ExecutionId, wanted: &Wanted, version: u32, origin: &Origin) -> Execution {
    let policy = wanted.workflow.settings.retry_policy.as_ref();
    Execution {
        id,
        revision: 1,
        created_at: origin.at,
        updated_at: origin.at,
        status: ExecutionStatus::Pending,
        start_time: None,
        end_time: None,
        duration: None,
        trigger_data: wanted.trigger_data.clone(),
        input_data: wanted.inputs.clone(),
        output_data: Json::null(),
        error_message: None,
        error_details: None,
        retry_count: 0,
        max_retries: policy.filter(|p| p.enabled).map_or(0, |p| p.max_retries),
        priority: wanted.priority,
        parent_execution_id: None,
        retry_of: None,
        paused_reason: None,
        context_data: Json::object(),
        metadata: wanted.metadata.clone(),
        workflow_id: wanted.workflow.id,
        workflow_name: wanted.workflow.name.clone(),
        workflow_version: version,
        user_id: wanted.user,
        trigger_id: wanted.trigger,
    }
}
