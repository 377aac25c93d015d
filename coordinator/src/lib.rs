//! Shell around core::guardian: account feed, market scan, grants, de-risking.
