//! Decoder with an adapter. It shares all weights with the decoder that it is made from.

use candle_core::Result;

use super::Decoder;
use super::layer::Layer;
use crate::linear::{Linear, LoraDelta};
use crate::weights::peft::PeftAdapter;
use crate::weights::{LayerTensor, Slot};

impl Decoder {
    /// Returns the model with the LoRA deltas of an adapter.
    pub(crate) fn adapted(&self, adapter: &PeftAdapter) -> Result<Self> {
        let adapt = |(index, layer): (usize, &Layer)| self.adapted_layer(index, layer, adapter);
        Ok(Self {
            config: self.config.clone(),
            device: self.device.clone(),
            embedding: self.embedding.clone(),
            positions: self.positions.clone(),
            rope: self.rope.clone(),
            layers: self.layers.iter().enumerate().map(adapt).collect::<Result<_>>()?,
            output_norm: self.output_norm.clone(),
            output: self.output.clone(),
            scratch: Default::default(),
        })
    }

    fn adapted_layer(&self, index: usize, layer: &Layer, adapter: &PeftAdapter) -> Result<Layer> {
        let mut layer = layer.clone();
        let adapt = |part: LayerTensor, matrix: &mut Linear| -> Result<()> {
            if let Some(low_rank) = adapter.weights_for(Slot::Layer(index, part)) {
                *matrix = matrix.with_lora_delta(LoraDelta::new(low_rank, &self.device)?);
            }
            Ok(())
        };
        adapt(LayerTensor::Query, &mut layer.query)?;
        adapt(LayerTensor::Key, &mut layer.key)?;
        adapt(LayerTensor::Value, &mut layer.value)?;
        adapt(LayerTensor::AttentionOutput, &mut layer.attention_out)?;
        adapt(LayerTensor::Up, &mut layer.mlp.up)?;
        adapt(LayerTensor::Down, &mut layer.mlp.down)?;
        if let Some(gate) = &mut layer.mlp.gate {
            adapt(LayerTensor::Gate, gate)?;
        }
        if let Some(fused) = adapter.weights_for(Slot::Layer(index, LayerTensor::FusedQkv)) {
            let (query, kv) = (self.config.query_width(), self.config.kv_width());
            for (matrix, rows) in [
                (&mut layer.query, 0..query),
                (&mut layer.key, query..query + kv),
                (&mut layer.value, query + kv..query + 2 * kv),
            ] {
                *matrix = matrix.with_lora_delta(LoraDelta::new(&fused.slice_outputs(rows)?, &self.device)?);
            }
        }
        Ok(layer)
    }
}
