import { processEnvironment } from '../tensor/process-environment.js'
import type { Job } from './job.js'

const largePages = 'glibc.malloc.hugetlb'

/**
 * The environment of child processes. glibc is told to ask for large pages, where the system leaves that to the program:
 * weights and states are megabytes that are read from end to end, and decoding becomes a tenth faster or more. Elsewhere
 * than on Linux with glibc the variable means nothing. What the user has set of that stays. onnxruntime's telemetry is off.
 * @param names  of variables that the job needs besides the ordinary ones
 */
export function childEnvironment(all: NodeJS.ProcessEnv, names: readonly string[] = []): NodeJS.ProcessEnv {
  const kept = processEnvironment(all, names)
  const { GLIBC_TUNABLES: set = '' } = kept
  if (set.includes(largePages)) return kept
  return { ...kept, GLIBC_TUNABLES: [set, `${largePages}=1`].filter((part) => part !== '').join(':') }
}

/** Variables for a store in S3: credentials, and how to get there. */
const forS3 = /^(AWS_.*|(https?|all|no)_proxy)$/i

/** Names of the variables that a job needs: those that its command names, and for a store in S3 those that lead there. */
export function variablesOf({ plan, stage, store }: Job, all: NodeJS.ProcessEnv = process.env): readonly string[] {
  const { uses, plugin, params } = plan.stages.find(({ name }) => name === stage) ?? {}
  const { environment } = params ?? {}
  const named = uses === 'command' && plugin === undefined && Array.isArray(environment) ? environment : []
  return [
    ...named.filter((name): name is string => typeof name === 'string'),
    ...(store.startsWith('s3://') ? Object.keys(all).filter((name) => forS3.test(name)) : []),
  ].sort()
}
