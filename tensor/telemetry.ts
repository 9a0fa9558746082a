/**
 * onnxruntime stores an identifier of the machine, events and a log, and sends the events to its makers, unless this variable is
 * set before its library is loaded. Every module that loads it loads this one first; child processes inherit the variable.
 */
export const telemetryOff = { ORT_DISABLE_TELEMETRY: '1' } as const

// Overrides any earlier value: no process of this project sends anything.
Object.assign(process.env, telemetryOff)
