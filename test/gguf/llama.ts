import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../store/paths.js'
import { installedOnce } from '../installed.js'

const version = '3.22.1'

/** node-llama-cpp and its prebuilt llama.cpp, or why there is none. */
function packages(): ReturnType<typeof installedOnce> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { absent: 'the prebuilt llama.cpp is for Linux on x64' }
  const names = [`node-llama-cpp@${version}`, `@node-llama-cpp/linux-x64@${version}`]
  const options = ['--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund', '--prefix']
  const args = (folder: string) => ['install', ...names, ...options, folder]
  return installedOnce('node-llama-cpp', version, { command: 'npm', args })
}

const found = packages()

/** Where it is installed. */
export const llamaFolder = 'absent' in found ? '' : found.path

export const withoutLlama = 'absent' in found
/** For names of tests. */
export const skipped = 'absent' in found ? ` (skipped: ${found.absent})` : ''

/**
 * Why quantised matrices are not computed well here, for names of tests; empty where they are. On processors with AMX, this version
 * of llama.cpp uses kernels whose logits in q8_0 are off by a third of the largest one; its other kernels on the same processor are
 * right. Upstream knows wrong results of these kernels (ggml-org/llama.cpp, pull request 16315).
 */
export const wrongKernels =
  existsSync('/proc/cpuinfo') && /\bamx_int8\b/.test(readFileSync('/proc/cpuinfo', 'utf8'))
    ? ' (skipped: llama.cpp’s AMX kernels are wrong for quantised matrices)'
    : ''

export interface LlamaQuestion {
  /** To be tokenised, special tokens read as such. */
  readonly texts?: readonly string[]
  /** Token ids to continue. */
  readonly sequences?: readonly (readonly number[])[]
  /** Tokens to continue by. */
  readonly greedy?: number
  /** Sequences, from the first, of which the logits behind every token are wanted. Default 0. */
  readonly logits?: number
  /** Of keys and values, as llama.cpp calls it. Default F32. */
  readonly cacheType?: string
}

export interface LlamaAnswer {
  readonly tokens: readonly (readonly number[])[]
  /** By sequence and token. */
  readonly logits: readonly (readonly (readonly number[])[])[]
  readonly greedy: readonly (readonly number[])[]
}

/** Asks stock llama.cpp, by default with float32 caches. @throws Error with what it said when it failed or died */
export function askLlama(model: string, question: LlamaQuestion): LlamaAnswer {
  if ('absent' in found) throw new Error(found.absent)
  const script = join(packageRoot(), 'test/gguf/run-llama.mjs')
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script], {
    input: JSON.stringify({ packages: found.path, model, ...question }),
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    timeout: 120_000,
  })
  if (status !== 0) throw new Error(`llama.cpp ended with ${signal ?? status}: ${stderr.slice(-2000)}`)
  return JSON.parse(stdout) as LlamaAnswer
}
