import { telemetryOff } from '../tensor/telemetry.js'

const largePages = 'glibc.malloc.hugetlb'

/**
 * The environment of child processes. glibc is told to ask for large pages, where the system leaves that to the program:
 * weights and states are megabytes that are read from end to end, and decoding becomes a tenth faster or more. Elsewhere
 * than on Linux with glibc the variable means nothing. What the user has set of that stays. onnxruntime's telemetry is off.
 */
export function childEnvironment(own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { GLIBC_TUNABLES: set = '' } = own
  if (set.includes(largePages)) return { ...own, ...telemetryOff }
  return { ...own, ...telemetryOff, GLIBC_TUNABLES: [set, `${largePages}=1`].filter((part) => part !== '').join(':') }
}
