/** onnxruntime. Nothing else in the project imports its package: here its telemetry is off before it is loaded. */
import './telemetry.js'

export { InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node'
