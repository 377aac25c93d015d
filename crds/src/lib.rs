//! HeliosAccount and HeliosStrategy: types, defaults, validation, conversion to core's parameters.
