import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Makes a folder a disk of its own. @param options  of mount: `-o`, `size=2m` */
export const mountDisk = (folder: string, ...options: string[]): void =>
  void execFileSync('mount', ['-t', 'tmpfs', ...options, 'puzzleflow-test', folder])

// Lazily: a process that is just ending may have a file open there.
export const unmountDisk = (folder: string): void => void execFileSync('umount', ['-l', folder])

/** Whether this process may mount a small disk: as root, where the machine lets it. */
export function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const probe = mkdtempSync(join(tmpdir(), 'puzzleflow-probe-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'puzzleflow-probe', probe], { stdio: 'ignore' })
    execFileSync('umount', [probe])
    return true
  } catch {
    return false
  } finally {
    rmSync(probe, { recursive: true, force: true })
  }
}
