//! A client of the MCP server on two streams.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tanso_faces::mcp::serve_stdio;
use tanso_faces::view::Facts;
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};

/// Longest time that anything may take.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A client on two streams, past its greeting.
pub(crate) struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writing: WriteHalf<DuplexStream>,
}

impl Client {
    pub(crate) async fn of(facts: Arc<dyn Facts>) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (input, output) = tokio::io::split(theirs);
        tokio::spawn(serve_stdio(facts, input, output));
        let (reading, writing) = tokio::io::split(ours);
        let lines = BufReader::new(reading).lines();
        let mut client = Self { lines, writing };
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        client
            .say(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}))
            .await;
        assert_eq!(client.hear().await["id"], 0);
        client
            .say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        client
    }

    pub(crate) async fn say(&mut self, message: Value) {
        let line = format!("{message}\n");
        self.writing.write_all(line.as_bytes()).await.unwrap();
    }

    pub(crate) async fn call(&mut self, id: u32, arguments: Value, meta: Value) {
        let mut params = json!({"name": "list_workloads_by_compliance", "arguments": arguments});
        if !meta.is_null() {
            params["_meta"] = meta;
        }
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}))
            .await;
    }

    /// What is heard of a call up to its answer, which must be one: the steps in
    /// percent with what was done.
    pub(crate) async fn steps(&mut self, id: u32) -> Vec<(f64, String)> {
        let mut steps = Vec::new();
        loop {
            let heard = self.hear().await;
            if heard["id"] == id {
                assert_eq!(heard["result"]["isError"], false, "{heard}");
                return steps;
            }
            assert_eq!(heard["method"], "notifications/progress", "{heard}");
            let params = &heard["params"];
            assert_eq!(params["progressToken"], "far", "{heard}");
            assert_eq!(params["total"].as_f64(), Some(100.0), "{heard}");
            let message = params["message"].as_str().unwrap();
            assert!(!message.is_empty(), "{heard}");
            steps.push((params["progress"].as_f64().unwrap(), message.to_owned()));
        }
    }

    pub(crate) async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(LIMIT, self.lines.next_line()).await;
        serde_json::from_str(&line.unwrap().unwrap().unwrap()).unwrap()
    }
}
