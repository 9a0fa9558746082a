import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../store/paths.js'
import { installedOnce, withPip } from '../installed.js'

/** The example's folder. */
export const example = join(packageRoot(), 'examples/python-worker')

/**
 * A Python with the example's packages, installed into the user's cache when they are not there. `PUZZLEFLOW_TEST_TORCH`
 * names one that has PyTorch too, which then does the arithmetic.
 * @returns its environment, or why there is none
 */
export function pythonWithPackages():
  { readonly python: string; readonly path: string; readonly device: 'numpy' | 'cpu' } | { readonly absent: string } {
  const torch = process.env.PUZZLEFLOW_TEST_TORCH
  if (torch !== undefined) return { python: torch, path: '', device: 'cpu' }
  const requirements = readFileSync(join(example, 'requirements.txt'), 'utf8')
  const digest = createHash('sha256').update(requirements).digest('hex').slice(0, 16)
  try {
    const version = execFileSync('python3', ['-c', 'import sys; print(sys.version_info >= (3, 11))'], {
      encoding: 'utf8',
    })
    if (version.trim() !== 'True') return { absent: 'python3 is older than 3.11' }
  } catch (error) {
    return { absent: (error as Error).message }
  }
  const found = installedOnce('python-worker', digest, withPip(['-r', join(example, 'requirements.txt')]))
  return 'absent' in found ? found : { python: 'python3', path: found.path, device: 'numpy' }
}
