export type { Dim, DType, Shape, Tensor, TypedArray } from './types.js'
export { allocate, elements, ShapeError, show, tensor } from './types.js'
export type { Value } from './value.js'
export { Graph, type ScanOptions } from './graph.js'
export type { HeadOptions } from './heads.js'
export { gradients } from './gradients.js'
export { Session, type SessionOptions } from './session.js'
export { learningRate, type AdamWOptions } from './schedule.js'
export {
  NonFiniteError,
  Trainer,
  type LossResult,
  type LossValues,
  type TrainerOptions,
  type TrainerState,
  type TrainingRecord,
} from './trainer.js'
export { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from './float16.js'
export { engineVersion, numericsVersion } from './version.js'
export {
  dequantise,
  dequantiseRows,
  quantise,
  quantiseRows,
  quantisationBlock,
  quantisedBytes,
  roundActivations,
  type Bits,
  type QuantisedMatrix,
} from './quantised.js'
export { readMetadata, readTensors, safetensorsHead, writeTensors, type TensorStream } from './file.js'
