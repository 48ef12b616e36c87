//! `account.*`: the ways in of users.

use a2n_proto::api::account::List;
use a2n_proto::identity::Account;

use super::super::context::{page, paging};
use super::super::{Context, Registry};

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<List, _>(|context, call, params| async move {
        let filter = params.filter.clone();
        let fits = |one: &Account| {
            filter.user_id.as_ref().is_none_or(|wanted| wanted.holds(&one.user_id))
                && filter
                    .provider_id
                    .as_ref()
                    .is_none_or(|wanted| wanted.holds_text(&one.provider_id))
                && filter
                    .account_id
                    .as_ref()
                    .is_none_or(|wanted| wanted.holds_text(&one.account_id))
        };
        Ok(page(context.view(&call)?.accounts(&paging(&params), &fits)?))
    });
}
