//! Why the API server did not do it: a class that conditions and metrics name, and its own words.

use std::time::Duration;

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// A quota of the namespace is used up.
    QuotaExceeded,
    /// The namespace's Pod Security level refuses the pod.
    PodSecurityRefused,
    /// An admission policy or webhook refuses it.
    AdmissionRefused,
    /// The operator's role does not allow it.
    Forbidden,
    /// The object is not valid for this API server.
    Invalid,
    /// There is one of that name already.
    Exists,
    /// Somebody wrote in between, or it is another by now.
    Conflict,
    /// It, or its namespace, is not there.
    Gone,
    /// No answer in time, or none that is one.
    Unavailable,
    /// This process does not lead any more: it was not even asked.
    Deposed,
}

impl Refusal {
    /// As a condition's reason and a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::QuotaExceeded => "QuotaExceeded",
            Self::PodSecurityRefused => "PodSecurityRefused",
            Self::AdmissionRefused => "AdmissionRefused",
            Self::Forbidden => "Forbidden",
            Self::Invalid => "Refused",
            Self::Exists => "Exists",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Unavailable => "ApiUnavailable",
            Self::Deposed => "Deposed",
        }
    }
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Failure {
    /// Its class.
    pub refusal: Refusal,
    /// In the API server's words.
    pub words: String,
}

impl Failure {
    /// Reads an error.
    pub fn of(e: &kube::Error) -> Self {
        let kube::Error::Api(s) = e else {
            return Self {
                refusal: Refusal::Unavailable,
                words: format!("the API server does not answer: {e}"),
            };
        };
        let says = |part: &str| s.message.contains(part);
        let refusal = if says("exceeded quota") {
            Refusal::QuotaExceeded
        } else if says("violates PodSecurity") {
            Refusal::PodSecurityRefused
        } else if says("denied the request") || says("denied request") {
            Refusal::AdmissionRefused
        } else if s.is_already_exists() {
            Refusal::Exists
        } else {
            match s.code {
                401 | 403 => Refusal::Forbidden,
                404 | 410 => Refusal::Gone,
                409 => Refusal::Conflict,
                400 | 413 | 415 | 422 => Refusal::Invalid,
                _ => Refusal::Unavailable,
            }
        };
        Self {
            refusal,
            words: s.message.clone(),
        }
    }

    /// No answer within the limit.
    pub fn timeout(limit: Duration) -> Self {
        Self {
            refusal: Refusal::Unavailable,
            words: format!("the API server did not answer within {limit:?}"),
        }
    }

    /// Another may lead by now. Nothing of the API server's, and nothing to try again: whoever leads does what is to be done.
    pub fn deposed() -> Self {
        Self {
            refusal: Refusal::Deposed,
            words: "this operator does not lead any more".into(),
        }
    }

    /// What was built is no object of Kubernetes.
    pub fn ours(e: &serde_json::Error) -> Self {
        Self {
            refusal: Refusal::Invalid,
            words: format!("built wrongly: {e}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn class(code: u16, reason: &str, message: &str) -> Refusal {
        let mut s = Status::failure(message, reason);
        s.code = code;
        Failure::of(&kube::Error::Api(Box::new(s))).refusal
    }

    #[test]
    fn refusals_are_told_apart_by_what_the_api_server_says() {
        let quota = "pods \"x\" is forbidden: exceeded quota: small, requested: pods=1";
        assert_eq!(class(403, "Forbidden", quota), Refusal::QuotaExceeded);
        let pss = "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"";
        assert_eq!(class(403, "Forbidden", pss), Refusal::PodSecurityRefused);
        let vap = "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no";
        assert_eq!(class(422, "Invalid", vap), Refusal::AdmissionRefused);
        let hook = "admission webhook \"h\" denied the request: no";
        assert_eq!(class(400, "", hook), Refusal::AdmissionRefused);
        assert_eq!(class(403, "Forbidden", "cannot create"), Refusal::Forbidden);
        assert_eq!(class(409, "AlreadyExists", "exists"), Refusal::Exists);
        assert_eq!(class(409, "Conflict", "uid"), Refusal::Conflict);
        assert_eq!(class(404, "NotFound", "no"), Refusal::Gone);
        assert_eq!(class(500, "InternalError", "no"), Refusal::Unavailable);
    }
}
