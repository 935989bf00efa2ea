//! Prefill and decode speed of a model, through the engine: `throughput MODEL [THREADS]`.
use std::sync::{Arc, mpsc};
use std::time::Instant;

use foretype_model::{Device, Engine, EngineOptions, Event, Job, Model, Priority, Sampling};
use foretype_plugins::Prompt;
use foretype_plugins::prompt::{Part, Source};

fn main() {
    let path = std::env::args().nth(1).expect("a model");
    let at = Instant::now();
    let model = Arc::new(Model::load(path.as_ref(), &Device::Cpu).expect("loads"));
    println!("load {:?}", at.elapsed());
    let options = EngineOptions { threads: std::env::args().nth(2).and_then(|n| n.parse().ok()), ..Default::default() };
    let engine = Engine::start(model, options);
    for round in 0..5 {
        let mut line = String::new();
        for (words, tokens, candidates) in [(256, 1, 1), (8, 64, 1), (8, 64, 8)] {
            let text = format!("{round} {candidates} {tokens}") + &" the x".repeat(words / 2);
            let prompt = Prompt { parts: vec![Part::text(text, Source::Before)], heal: false, stop_specials: vec![], window: None };
            let (send, receive) = mpsc::channel();
            let job = Job { prompt, max_tokens: tokens, candidates, sampling: Sampling::default(), priority: Priority::Interactive, stop_texts: vec![], until: None, drafts: vec![], repeats: vec![] };
            let ticket = engine.submit(job, move |event| { let _ = send.send(event); });
            for event in receive {
                if let Event::Done { usage } = event {
                    if tokens == 1 {
                        line += &format!("prefill {} at {:.1} tok/s  ", usage.evaluated, usage.evaluated as f64 / usage.prefill.as_secs_f64());
                    } else {
                        let steps = usage.generated as f64 / candidates as f64 - 1.0;
                        line += &format!("x{candidates} step {:.2} ms ({:.1} tok/s)  ", usage.decode.as_secs_f64() * 1e3 / steps, steps * candidates as f64 / usage.decode.as_secs_f64());
                    }
                    break;
                }
            }
            drop(ticket);
        }
        println!("{line}");
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS") || l.starts_with("RssFile")).for_each(|l| println!("{l}"));
}
