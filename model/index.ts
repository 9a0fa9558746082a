export {
  buildLayer,
  buildModel,
  buildSlot,
  embedded,
  finalNorm,
  logitsOf,
  modelShapes,
  rotaryConstants,
  slotNorm,
  slotShapes,
  weightName,
} from './build.js'
export { openModel } from './checkpoint.js'
export type { Model } from './model.js'
export {
  commonBlock,
  isOriginal,
  layerFacts,
  parentBlocks,
  rotaryOf,
  type HeadWeights,
  type LayerBlocks,
  type ModelConfig,
  type RotaryConfig,
} from './config.js'
export { parseConfig, UnknownFamily } from './hf/read-config.js'
export { builtInFamilies, familiesOf, familyOf } from './families/index.js'
export { endTensors, slotTensors, type SlotTensor, type TensorPart } from './names.js'
export {
  quantisationOf,
  quantisationOfChoice,
  rounded,
  roundedInGraph,
  slotBytes,
  type Quantisation,
} from './quantisation.js'
export { endBytes, withHead } from './quantised-head.js'
export { normalise, splitNorms } from './norms.js'
export { replaceBlocks, type Replacement } from './replace.js'
export { rotaryTables } from './rotary.js'
export { SafetensorsFile, writeSafetensors, type CheckpointType, type TensorSource } from './safetensors.js'
export { isOnnxFolder, OnnxModel } from './onnx/run.js'
export { writeOnnx, type OnnxOptions } from './onnx/write.js'
export { configText, copyCompanions } from './folder.js'
export { companions, companionsOf, modelFiles } from './model-files.js'
export { modelProblem } from './model-place.js'
export { allWeights, checkpointConfig, saveCheckpoint, writeModel } from './save.js'
export { Tokenizer } from './tokenizer.js'
export {
  ChatTemplate,
  messagesProblem,
  NoChatTemplate,
  renderChat,
  type ChatMessage,
  type ChatOptions,
  type RenderOptions,
} from './chat.js'
export { exactJson } from './jinja/json.js'
export { PromptTemplate } from './prompt-template.js'
export { cachedBytes, cacheWeights, embed, Forward } from './forward.js'
export { Head, type Comparison } from './head.js'
export { Decoder, type DecoderOptions, type Prediction, type SequenceDecoder } from './decoder.js'
export { readGenerationConfig, type GenerationConfig } from './generation-config.js'
export { stateShapes } from './state.js'
export { generate, generateAll, type GeneratedToken, type GenerateOptions } from './generate.js'
export { mostLikely, type SamplingOptions } from './sampling.js'
export { StreamedText } from './streamed-text.js'
export { findLlamaCpp, type LlamaCpp } from './llama-cpp/find.js'
export { llamaBytes } from './llama-cpp/sizes.js'
export { cacheProblem, cacheWidth, weightWidth } from './precision.js'
export { alternate, median, openTimed, quiet, whileOpen } from './throughput.js'
export type { Scenario, Seconds, TimedModel, Timing } from './scenario.js'
export { divided, dividedEach, taskItem, type TaskItem } from './tasks.js'
export { likelihoods, type Likelihood } from './likelihoods.js'
export { exportFormats, storedType, type ExportFormat, type ExportOptions, type ExportType } from './exports.js'
export { ggufFile, writeGguf, writeGgufFolder, type GgufOptions, type GgufType } from './gguf/write.js'
export { ggufCannot } from './gguf/write-plan.js'
export { ggufTokenizerCannot } from './gguf/write-tokenizer.js'
export { taken } from './whole-folder.js'
export { writing } from './writing.js'
export { withEvidence } from './hf/card.js'
