/**
 * onnxruntime writes an identifier of the machine, events and a log, and sends the events to its makers, unless this variable
 * is there before its library is loaded. Whatever loads it has this module loaded first; child processes inherit the variable.
 */
export const telemetryOff = { ORT_DISABLE_TELEMETRY: '1' } as const

// Whatever it was: no process of this project sends anything.
Object.assign(process.env, telemetryOff)
