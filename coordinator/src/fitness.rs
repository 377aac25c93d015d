//! Whether the account may trade at all: its modes, and what its key may do. Read at the start and now and then, because a
//! person can change both at any time. An unfit account takes no new risk; what it holds is guarded as ever.

use helios_binance::error::ApiError;
use helios_binance::rest::{AccountConfig, KeyRights, RestClient};
use helios_core::params::Environment;

/// Everything read of it. `None` is not known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modes {
    pub config: AccountConfig,
    /// Of the key; not known on networks that have no such place.
    pub rights: Option<KeyRights>,
    /// Fees are paid in BNB.
    pub fee_burn: Option<bool>,
}

/// What follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fitness {
    /// In the way of new risk.
    pub unfit: Vec<&'static str>,
    /// To be told, no more.
    pub warnings: Vec<&'static str>,
}

/// Reads modes and rights (weight 35).
///
/// # Errors
/// [`ApiError`] when modes or rights can't be read: what was known before holds, and it is asked again soon. How fees are paid
/// may stay unknown.
pub(crate) async fn read(rest: &RestClient) -> Result<Modes, ApiError> {
    let config = rest.account_config().await?;
    let rights = rest.key_rights().await?;
    let fee_burn = rest.fee_burn().await;
    let fee_burn = fee_burn.inspect_err(|e| tracing::debug!(error = %e, "feeBurn not read"));
    Ok(Modes {
        config,
        rights,
        fee_burn: fee_burn.ok(),
    })
}

/// Before the first read: where money is at stake, what is not known yet is not good enough.
pub(crate) fn unread(environment: Environment) -> Fitness {
    let words = "the account's modes and its key's rights are not read yet";
    let live = environment == Environment::Live;
    Fitness {
        unfit: live.then_some(words).into_iter().collect(),
        warnings: Vec::new(),
    }
}

/// Judges: where money is at stake, a right that isn't known is taken for given.
pub(crate) fn judge(environment: Environment, m: &Modes) -> Fitness {
    let live = environment == Environment::Live;
    let mut f = Fitness::default();
    let mut find = |found: bool, refuse: bool, words: &'static str| {
        let list = if refuse {
            &mut f.unfit
        } else {
            &mut f.warnings
        };
        list.extend(found.then_some(words));
    };
    find(
        !m.config.can_trade,
        true,
        "the account may not trade futures: allow it for the account and its API key",
    );
    find(
        m.config.hedge,
        true,
        "the account is in hedge mode: switch to one-way mode at the exchange while flat",
    );
    find(
        m.config.multi_assets,
        true,
        "the account is in multi-assets mode: switch to single-asset mode at the exchange while flat",
    );
    find(
        live && m.rights.is_none(),
        true,
        "what the API key may do can't be read: allow it to read, and let api.binance.com be reached",
    );
    if let Some(r) = m.rights {
        find(
            r.withdrawals,
            live,
            "the API key may withdraw: take that right away",
        );
        find(
            !r.futures,
            live,
            "the API key may not trade futures: give it that right",
        );
        find(
            !r.ip_restricted,
            false,
            "the API key is not bound to addresses: bind it to the cluster's way out",
        );
        find(
            r.internal_transfer,
            false,
            "the API key may move money between wallets: it needs no such right",
        );
    }
    find(
        m.fee_burn == Some(true),
        live,
        "fees are paid in BNB, which the books do not value: switch it off at the exchange",
    );
    find(
        live && m.fee_burn.is_none(),
        false,
        "whether fees are paid in BNB can't be read",
    );
    f
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Environment; 3] = [Environment::Paper, Environment::Testnet, Environment::Live];

    const GOOD: Modes = Modes {
        config: AccountConfig {
            can_trade: true,
            hedge: false,
            multi_assets: false,
            fee_tier: 0,
        },
        rights: Some(RIGHTS),
        fee_burn: Some(false),
    };

    const RIGHTS: KeyRights = KeyRights {
        ip_restricted: true,
        futures: true,
        withdrawals: false,
        internal_transfer: false,
    };

    #[test]
    fn an_account_as_it_should_be_is_fit_everywhere() {
        for e in ALL {
            assert_eq!(judge(e, &GOOD), Fitness::default());
        }
    }

    #[test]
    fn wrong_modes_are_refused_everywhere() {
        let modes: [fn(&mut AccountConfig); 3] = [
            |c| c.can_trade = false,
            |c| c.hedge = true,
            |c| c.multi_assets = true,
        ];
        for set in modes {
            let mut m = GOOD;
            set(&mut m.config);
            for e in ALL {
                assert_eq!(judge(e, &m).unfit.len(), 1);
            }
        }
    }

    #[test]
    fn a_key_that_may_withdraw_is_refused_where_money_is_and_told_elsewhere() {
        let m = Modes {
            rights: Some(KeyRights {
                withdrawals: true,
                ..RIGHTS
            }),
            ..GOOD
        };
        assert_eq!(judge(Environment::Live, &m).unfit.len(), 1);
        let test = judge(Environment::Testnet, &m);
        assert_eq!((test.unfit.len(), test.warnings.len()), (0, 1));
    }

    #[test]
    fn what_is_not_known_is_unfit_where_money_is() {
        let m = Modes {
            rights: None,
            fee_burn: None,
            ..GOOD
        };
        assert_eq!(judge(Environment::Live, &m).unfit.len(), 1);
        assert_eq!(judge(Environment::Paper, &m), Fitness::default());
        assert_eq!(unread(Environment::Live).unfit.len(), 1);
        assert_eq!(unread(Environment::Paper), Fitness::default());
    }

    #[test]
    fn a_key_bound_to_no_address_is_told_and_fees_in_bnb_are_refused_where_money_is() {
        let m = Modes {
            rights: Some(KeyRights {
                ip_restricted: false,
                ..RIGHTS
            }),
            fee_burn: Some(true),
            ..GOOD
        };
        let f = judge(Environment::Live, &m);
        assert_eq!((f.unfit.len(), f.warnings.len()), (1, 1));
    }
}
