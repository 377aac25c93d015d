//! Signal: NOBI gives the side, the model gate says act or skip.
