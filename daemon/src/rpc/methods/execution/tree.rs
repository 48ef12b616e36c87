//! `execution.tree`: an execution with those below it.

use a2n_proto::api::execution::{Branch, TreeAnswer};
use a2n_proto::execution::Execution;
use a2n_proto::workflow::SharePermission;
use a2n_proto::{ExecutionId, Json, RpcError};

use crate::store::{self, Paging, View, execution};

/// Most executions in one answer.
const MOST: usize = 1_000;

/// The tree below one execution, of those that the caller may see.
pub(super) fn tree(view: &View, id: ExecutionId) -> Result<TreeAnswer, RpcError> {
    let root = view.execution(id, SharePermission::View)?;
    let mut answer = TreeAnswer { items: Vec::new(), cut: false };
    // To be put in, the next one last.
    let mut left = vec![(0, root)];
    while let Some((depth, execution)) = left.pop() {
        if answer.items.len() >= MOST {
            answer.cut = true;
            break;
        }
        let room = MOST - answer.items.len();
        let (children, more) = children(view, execution.id, room)?;
        answer.cut |= more;
        answer.items.push(branch(depth, execution));
        left.extend(children.into_iter().rev().map(|child| (depth + 1, child)));
    }
    Ok(answer)
}

/// Those that an execution started, from old to new, and whether there are more than asked for.
fn children(
    view: &View,
    parent: ExecutionId,
    most: usize,
) -> Result<(Vec<Execution>, bool), store::Error> {
    let query = execution::Query { parent: Some(vec![parent]), ..execution::Query::default() };
    let paging = Paging { limit: most, cursor: None, newest_first: false };
    let page = view.executions(&query, &paging, &|_| true)?;
    let mut whole = Vec::with_capacity(page.items.len());
    for one in page.items {
        // Where it comes from stands with its data.
        whole.push(view.execution(one.id, SharePermission::View)?);
    }
    Ok((whole, page.next_cursor.is_some()))
}

fn branch(depth: u32, mut execution: Execution) -> Branch {
    let context = std::mem::replace(&mut execution.context_data, Json::null()).to_value();
    execution.trigger_data = Json::null();
    execution.input_data = Json::null();
    execution.output_data = Json::null();
    Branch {
        depth,
        node_id: context["nodeId"].as_str().map(str::to_owned),
        item: context["item"].as_u64().and_then(|item| u32::try_from(item).ok()),
        handles_error: context["handlesError"] == true,
        execution,
    }
}
