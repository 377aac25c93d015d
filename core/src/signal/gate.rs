//! The model gate: whether a model must, may or shall not confirm a trigger.
//!
//! An output counts only for the book version it was computed from (I8). The model itself runs outside the core and
//! arrives as an event.

use crate::params::ModelMode;

/// The newest output of the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelOutput {
    /// Book version (`u`) it was computed from.
    pub last_id: u64,
    /// Calibrated probability that the trade beats its cost.
    pub probability: f64,
}

/// What the gate looks at.
#[derive(Clone, Copy, Debug)]
pub struct GateInputs {
    /// Off, Optional or Required.
    pub mode: ModelMode,
    /// Environment is Live: a model is required whatever `mode` says.
    pub live: bool,
    /// Acts at or above this probability.
    pub threshold: f64,
    /// Newest output, if a model ever spoke.
    pub output: Option<ModelOutput>,
    /// Book version the decision is made on.
    pub book_last_id: u64,
}

/// What the gate says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gate {
    /// Act, with the model's probability, or `None` when NOBI decides alone.
    Act(Option<f64>),
    /// A model is there and has not yet spoken about this book version.
    Wait,
    /// No entry, for this reason.
    Skip(&'static str),
}

/// Asks the gate.
pub fn gate(x: &GateInputs) -> Gate {
    let required = x.live || x.mode == ModelMode::Required;
    if x.mode == ModelMode::Off && !required {
        return Gate::Act(None);
    }
    let Some(out) = x.output else {
        return if required {
            Gate::Skip("ModelMissing")
        } else {
            Gate::Act(None)
        };
    };
    if out.last_id != x.book_last_id {
        return Gate::Wait;
    }
    if !out.probability.is_finite() || !(0.0..=1.0).contains(&out.probability) {
        return Gate::Skip("ModelInvalid");
    }
    if out.probability >= x.threshold {
        Gate::Act(Some(out.probability))
    } else {
        Gate::Skip("ModelBelowThreshold")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x(mode: ModelMode, output: Option<ModelOutput>) -> GateInputs {
        GateInputs {
            mode,
            live: false,
            threshold: 0.75,
            output,
            book_last_id: 7,
        }
    }

    fn out(last_id: u64, probability: f64) -> Option<ModelOutput> {
        Some(ModelOutput {
            last_id,
            probability,
        })
    }

    #[test]
    fn without_a_model_off_and_optional_act_alone_and_required_does_not() {
        assert_eq!(gate(&x(ModelMode::Off, None)), Gate::Act(None));
        assert_eq!(gate(&x(ModelMode::Optional, None)), Gate::Act(None));
        assert_eq!(
            gate(&x(ModelMode::Required, None)),
            Gate::Skip("ModelMissing")
        );
        let live = GateInputs {
            live: true,
            ..x(ModelMode::Off, None)
        };
        assert_eq!(gate(&live), Gate::Skip("ModelMissing"));
    }

    #[test]
    fn an_output_counts_only_for_its_own_book_version() {
        assert_eq!(gate(&x(ModelMode::Optional, out(6, 0.9))), Gate::Wait);
        assert_eq!(
            gate(&x(ModelMode::Optional, out(7, 0.9))),
            Gate::Act(Some(0.9))
        );
    }

    #[test]
    fn a_doubtful_or_invalid_probability_skips() {
        assert_eq!(
            gate(&x(ModelMode::Required, out(7, 0.74))),
            Gate::Skip("ModelBelowThreshold")
        );
        for p in [f64::NAN, 1.01, -0.1] {
            assert_eq!(
                gate(&x(ModelMode::Optional, out(7, p))),
                Gate::Skip("ModelInvalid")
            );
        }
    }
}
