//! Tests of the reader as a whole.

mod document;
mod fixture;
mod full;
mod hostile;
mod keys;
mod rules;
mod selection;
mod shapes;
mod spelling;
