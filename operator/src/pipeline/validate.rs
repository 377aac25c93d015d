//! Which objects can be used as they stand, and what is wrong with the others, in words.
//!
//! Admission refuses most of this already. What gets past it (an older schema, rules that need two objects) is found here:
//! such an object is stalled, what runs under it goes on as it is, and nothing new is started. The same holds for one that this
//! operator can't even parse.

use super::dereference::World;
use crate::facts::{StrategyFact, Unreadable};
use helios_crds::kube::{
    AccountStatus, HeliosAccount as AccountObject, HeliosStrategy as StrategyObject, StrategyStatus,
};
use helios_crds::validate::{self, Problem};
use helios_crds::{HeliosAccount, HeliosStrategy};
use std::sync::Arc;

/// Why an object can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stall {
    /// It breaks a rule.
    Invalid,
    /// Its account does not exist.
    AccountNotFound,
    /// Its account can't be used.
    AccountStalled,
    /// It and its account break a rule together.
    NotOnThisAccount,
}

impl Stall {
    /// As a condition's reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid",
            Self::AccountNotFound => "AccountNotFound",
            Self::AccountStalled => "AccountStalled",
            Self::NotOnThisAccount => "NotOnThisAccount",
        }
    }
}

/// An account with what is wrong with it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The object.
    pub object: Arc<AccountObject>,
    /// As rules and builders read it.
    pub manifest: HeliosAccount,
    /// Why it can't be used.
    pub stall: Option<(Stall, String)>,
}

/// A strategy with what is wrong with it.
#[derive(Clone, Debug)]
pub struct Strategy {
    /// `namespace/name`.
    pub name: String,
    /// The object.
    pub object: Arc<StrategyObject>,
    /// As rules and builders read it.
    pub manifest: HeliosStrategy,
    /// Why it can't be used.
    pub stall: Option<(Stall, String)>,
}

/// A strategy that can't be read: what runs under it goes on.
#[derive(Clone, Debug)]
pub struct UnreadableStrategy {
    /// `namespace/name`.
    pub name: String,
    /// What can be read of it.
    pub object: Arc<Unreadable<StrategyStatus>>,
}

/// An account and its strategies, looked at.
#[derive(Clone, Debug)]
pub struct Validated {
    /// The account, if it exists and can be read.
    pub account: Option<Account>,
    /// The account, if it exists and can't be read.
    pub account_unreadable: Option<Arc<Unreadable<AccountStatus>>>,
    /// Its strategies that can be read.
    pub strategies: Vec<Strategy>,
    /// Those that can't.
    pub unreadable: Vec<UnreadableStrategy>,
}

/// Looks at all objects of an account.
pub fn validate(world: &World) -> Validated {
    let (account, account_unreadable) = match world.object.as_ref().map(|a| &a.object) {
        Some(Ok(object)) => (Some(account(object)), None),
        Some(Err(unreadable)) => (None, Some(unreadable.clone())),
        None => (None, None),
    };
    let mut strategies = Vec::new();
    let mut unreadable = Vec::new();
    for s in &world.strategies {
        match &s.object {
            Ok(object) => strategies.push(strategy(
                s,
                object,
                account.as_ref(),
                account_unreadable.as_deref(),
            )),
            Err(object) => unreadable.push(UnreadableStrategy {
                name: s.name.clone(),
                object: object.clone(),
            }),
        }
    }
    Validated {
        account,
        account_unreadable,
        strategies,
        unreadable,
    }
}

fn account(object: &Arc<AccountObject>) -> Account {
    let manifest = object.to_manifest();
    let problems = validate::account(&manifest);
    Account {
        object: object.clone(),
        stall: said(Stall::Invalid, &problems),
        manifest,
    }
}

fn strategy(
    fact: &StrategyFact,
    object: &Arc<StrategyObject>,
    account: Option<&Account>,
    account_unreadable: Option<&Unreadable<AccountStatus>>,
) -> Strategy {
    let manifest = object.to_manifest();
    let own = said(Stall::Invalid, &validate::strategy(&manifest));
    let with_account = || {
        let name = &manifest.spec.account_ref.name;
        let Some(a) = account else {
            let stall = if let Some(u) = account_unreadable {
                let words = format!(
                    "HeliosAccount {name} can't be read: {}: kubectl describe ha {name}",
                    u.why
                );
                (Stall::AccountStalled, words)
            } else {
                let words = format!(
                    "there is no HeliosAccount {name} in this namespace: apply one, or name another in spec.accountRef.name"
                );
                (Stall::AccountNotFound, words)
            };
            return Some(stall);
        };
        if a.stall.is_some() {
            let words = format!("HeliosAccount {name} can't be used: kubectl describe ha {name}");
            return Some((Stall::AccountStalled, words));
        }
        said(
            Stall::NotOnThisAccount,
            &validate::pair(&a.manifest, &manifest),
        )
    };
    Strategy {
        name: fact.name.clone(),
        stall: own.or_else(with_account),
        object: object.clone(),
        manifest,
    }
}

fn said(stall: Stall, problems: &[Problem]) -> Option<(Stall, String)> {
    if problems.is_empty() {
        return None;
    }
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Some((stall, words.join("; ")))
}
