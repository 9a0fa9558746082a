import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory } from '../store/paths.js'

/** A program that installs into a folder. */
export interface Installer {
  readonly command: string
  readonly args: (folder: string) => readonly string[]
  /** Most minutes that it may take. Default 5. */
  readonly minutes?: number
}

/** What tests need from package registries, installed once into the user's cache as `name`/`version`; or why it is not there. */
export function installedOnce(
  name: string,
  version: string,
  { command, args, minutes = 5 }: Installer,
): { readonly path: string } | { readonly absent: string } {
  const root = join(cacheDirectory(), name)
  const folder = join(root, version)
  if (existsSync(folder)) return { path: folder }
  mkdirSync(root, { recursive: true })
  const half = mkdtempSync(join(root, 'half-'))
  try {
    execFileSync(command, [...args(half)], { stdio: ['ignore', 'pipe', 'pipe'], timeout: minutes * 60_000 })
    renameSync(half, folder)
    return { path: folder }
  } catch (error) {
    const { stderr, message, code } = error as { stderr?: Buffer; message: string; code?: string }
    if (code === 'ETIMEDOUT') return { absent: `installing ${name} took more than ${minutes} minutes` }
    return { absent: stderr?.toString().trim().split('\n').at(-1) || message }
  } finally {
    rmSync(half, { recursive: true, force: true })
  }
}

/** Packages of PyPI. */
export const withPip = (packages: readonly string[], minutes?: number): Installer => ({
  command: 'python3',
  args: (folder) => ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', folder, ...packages],
  ...(minutes !== undefined && { minutes }),
})

/** One folder's name for packages. */
export const versionOf = (packages: readonly string[]): string => packages.join('_').replaceAll('=', '')
