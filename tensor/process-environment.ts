import { telemetryOff } from './telemetry.js'

/** Variables that programs need to find files, write text and use the machine. None of them is a secret. */
const ordinary = new RegExp(
  `^(${[
    'PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|TMP|TEMP|TERM|NO_COLOR|FORCE_COLOR|CI',
    'NODE_OPTIONS|NODE_ENV|NODE_EXTRA_CA_CERTS|NODE_NO_WARNINGS|SSL_CERT_FILE|SSL_CERT_DIR|VITEST.*',
    'LD_LIBRARY_PATH|LD_PRELOAD|GLIBC_TUNABLES|MALLOC_.*|OMP_.*|OPENBLAS_.*|MKL_.*|CUDA_.*|NVIDIA_.*|ORT_.*|GGML_.*',
    'XDG_.*|PUZZLEFLOW_.*',
  ].join('|')})$`,
)

/** Names of further variables that processes with code of plugins get, separated by commas. */
export const passedVariable = 'PUZZLEFLOW_PASS_ENVIRONMENT'

/**
 * The environment of a process that may run somebody else's code: without keys, tokens and passwords that happen to be there.
 * The user passes others by naming them in PUZZLEFLOW_PASS_ENVIRONMENT. onnxruntime's telemetry is off.
 * @param all    this process's variables
 * @param names  of others that it needs
 */
export function processEnvironment(all: NodeJS.ProcessEnv, names: readonly string[] = []): NodeJS.ProcessEnv {
  const passed = new Set([...names, ...(all[passedVariable] ?? '').split(',').map((name) => name.trim())])
  const isKept = (name: string) => passed.has(name) || (ordinary.test(name) && !/KEY|TOKEN|SECRET|PASSWORD/i.test(name))
  return { ...Object.fromEntries(Object.entries(all).filter(([name]) => isKept(name))), ...telemetryOff }
}
