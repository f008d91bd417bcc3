//! How clean grids are, hour by hour: from tables that come with tanso, from
//! tables and figures of the user's own, and from services on the network.
//!
//! One trait, [`IntensityProvider`], answers from what is known already and
//! never waits. Services are asked beforehand by a [`feed::Feed`], which keeps
//! what it learnt on disk, paces itself, and says how old its figures are.
//! Average and marginal figures are different types and never mix.
//!
//! Nothing here knows Kubernetes, and no arithmetic on emissions is done here.

pub mod book;
pub mod bundled;
pub mod feed;
pub mod http;
pub mod layers;
pub mod pace;
pub mod places;
pub mod provider;
pub mod reading;
pub mod service;
pub mod static_value;
pub mod table;

pub use provider::{Freshness, IntensityProvider, Loaded, Marginal, Past, ProviderFault, Series};
