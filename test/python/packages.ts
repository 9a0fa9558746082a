import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory, packageRoot } from '../../store/paths.js'

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
  const root = join(cacheDirectory(), 'python-worker')
  const folder = join(root, digest)
  try {
    const python = 'python3'
    const version = execFileSync(python, ['-c', 'import sys; print(sys.version_info >= (3, 11))'], { encoding: 'utf8' })
    if (version.trim() !== 'True') return { absent: 'python3 is older than 3.11' }
    if (!existsSync(folder)) {
      mkdirSync(root, { recursive: true })
      const half = mkdtempSync(join(root, 'half-'))
      try {
        const install = ['-m', 'pip', 'install', '--quiet', '--target', half, '-r', join(example, 'requirements.txt')]
        execFileSync(python, install, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000 })
        renameSync(half, folder)
      } finally {
        rmSync(half, { recursive: true, force: true })
      }
    }
    return { python, path: folder, device: 'numpy' }
  } catch (error) {
    const { stderr, message } = error as { stderr?: Buffer; message: string }
    const last = stderr?.toString().trim().split('\n').at(-1)
    return { absent: last === undefined || last === '' ? message : last }
  }
}
