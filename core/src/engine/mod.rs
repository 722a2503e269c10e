//! A source, a sink, a plan, a report.
