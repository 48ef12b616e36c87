//! `auth.*`: who is calling.

use a2n_proto::api::auth::{Via, Whoami, WhoamiAnswer, WhoamiUser};

use super::super::{Context, Identity, Registry};

pub(super) fn register(registry: &mut Registry<Context>) {
    registry.method::<Whoami, _>(|_, call, _| async move {
        let user = match &call.identity {
            Identity::Account(caller) => {
                Some(WhoamiUser { id: caller.user, name: caller.name.clone(), role: caller.role })
            }
            Identity::Unmapped | Identity::Refused => None,
        };
        Ok(WhoamiAnswer { user, via: Via::Unix, uid: Some(call.peer.uid) })
    });
}
