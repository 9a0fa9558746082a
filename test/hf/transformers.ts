import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { cacheDirectory, packageRoot } from '../../store/paths.js'
import { installedOnce, versionOf, withPip } from '../installed.js'

const packages = [
  'torch==2.15.0',
  'transformers==5.24.0',
  'numpy',
  'safetensors',
  'lm_eval==0.4.13',
  'accelerate==1.15.0',
]

/** Most minutes that installing may take; PyPI's PyTorch comes with libraries for GPUs, some gigabytes. */
const minutes = 10

/** How Python is called, with packages at `path` beside its own. */
export interface Python {
  readonly python: string
  readonly path: string
}

/**
 * A Python with transformers, PyTorch and lm-evaluation-harness: the one that `PUZZLEFLOW_TEST_TRANSFORMERS` names, or python3 with the packages
 * in the user's cache, installed when they are not there. @returns why there is none, otherwise
 */
export function pythonWithTransformers(): Python | { readonly absent: string } {
  const given = process.env.PUZZLEFLOW_TEST_TRANSFORMERS
  if (given !== undefined) return { python: given, path: '' }
  const found = installedOnce('python-transformers', versionOf(packages), withPip(packages, minutes))
  return 'absent' in found ? found : { python: 'python3', path: found.path }
}

export interface Job {
  readonly folder: string
  /** Whether code beside the checkpoint may run. */
  readonly trust: boolean
  readonly ids: readonly number[]
  /** Tokens of `ids` that are continued, and by how many. */
  readonly prompt: number
  readonly greedy: number
  /** Beams, padding, chunks and gradients, too. */
  readonly more?: boolean
  /** Where `save_pretrained` writes it. */
  readonly save?: string
}

export interface Answer {
  readonly error?: string
  readonly class: string
  /** [tokens * vocabulary] */
  readonly logits: readonly number[]
  readonly greedy: readonly number[]
  /** Loaded in bfloat16: how far logits are from those in float32, as root mean squares, and tokens that it generated. */
  readonly bfloat16: { readonly dtype: string; readonly difference: number; readonly generated: number }
  /** With three beams: with cache, and without. */
  readonly beams: readonly [readonly number[], readonly number[]]
  /** Largest differences of logits relative to the largest: behind padding, and read in chunks. */
  readonly padded: number
  readonly chunked: number
  /** By parameter: by autograd, and by finite differences. */
  readonly gradients: Readonly<Record<string, readonly [number, number]>>
}

/** Runs all jobs in one process of Python. */
export const runTransformers = (python: Python, jobs: readonly Job[]): Answer[] =>
  runPython(python, 'run.py', jobs.map((job) => `${JSON.stringify(job)}\n`).join(''))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer)

/** What a program of this folder prints, without any network. */
export function runPython({ python, path }: Python, program: string, input: string): string {
  return execFileSync(python, [join(packageRoot(), 'test/hf', program)], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      ...process.env,
      ...(path !== '' && { PYTHONPATH: path }),
      PYTHONDONTWRITEBYTECODE: '1',
      HF_HUB_OFFLINE: '1',
      HF_DATASETS_OFFLINE: '1',
      HF_MODULES_CACHE: join(cacheDirectory(), 'python-transformers', 'modules'),
      OMP_NUM_THREADS: '1',
    },
  })
}
