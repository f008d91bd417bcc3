//! Power models for machines that cannot measure.
//!
//! From published curves ([`catalog`]) the server learns ([`process`],
//! [`tiers`]) what a machine takes that is described by static features only
//! ([`features`], [`resolve`]), picks or makes its model ([`select`]), and says
//! how wrong such models are on machines that they were not trained on
//! ([`conformal`], [`evaluate`], beside other methods: [`baselines`]). A reading
//! of the machine corrects its curve ([`reading`]). Models leave as documents of
//! [`tanso_power::model`], by HTTP ([`serve`]) or command line ([`cli`]).

pub mod accelerators;
pub mod baselines;
pub mod catalog;
pub mod cli;
pub mod columns;
pub mod conformal;
pub mod evaluate;
pub mod features;
pub mod guess;
pub mod host;
pub mod learn;
pub mod matrix;
pub mod partial;
pub mod plot;
pub mod process;
pub mod rapl;
pub mod reading;
pub mod resolve;
pub mod samples;
pub mod select;
pub mod serve;
pub mod store;
pub mod tiers;
pub mod train;
