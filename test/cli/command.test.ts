import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, inject, test } from 'vitest'
import { commandLine } from '../../server/index.js'
import { canMount, mountDisk, unmountDisk } from '../store/small-disk.js'
import { serverTimeout, testServer } from '../temporal.js'
import { Place } from './puzzleflow.js'

let place: Place
afterEach(() => place.close())

/** A folder with a spec of one command, and the options of a run that is allowed to run it. */
async function placeWith(name: string, program: string, execution = ''): Promise<string[]> {
  const { address, client } = await testServer()
  await client.connection.close()
  place = new Place(mkdtempSync(join(tmpdir(), 'puzzleflow-command-')), inject('stateHome'))
  place.environment.XDG_CACHE_HOME = join(place.folder, 'cache')
  writeFileSync(join(place.folder, 'run.sh'), program)
  writeFileSync(
    join(place.folder, 'spec.yaml'),
    `apiVersion: puzzleflow/v1
name: ${name}
pipeline:
  stages:
    own: { uses: command, with: { command: [sh, run.sh], sources: [run.sh] }${execution} }
`,
  )
  return ['run', 'spec.yaml', '--json', '--address', address, '--allow-plugin', '.']
}

test(
  'a worker that is killed takes its command along; another one goes on from the checkpoint',
  async () => {
    const run = await placeWith(
      'command-killed',
      `if test -f checkpoint/pid; then echo '{"again": true}' > outputs/values.json; exit 0; fi
       echo $$ > checkpoint/new; mv checkpoint/new checkpoint/pid; while :; do sleep 1; done`,
    )
    expect(await place.run(...run, '--detach', '--heartbeat', '2')).toMatchObject({ code: 0 })
    const checkpoints = join(place.store, 'checkpoints')
    const pid = (): number => {
      try {
        const [key] = readdirSync(checkpoints)
        return Number(readFileSync(join(checkpoints, key!, 'pid'), 'utf8'))
      } catch {
        return 0
      }
    }
    await expect.poll(pid).toBeGreaterThan(0)
    const program = pid()
    expect(commandLine(program)).toBe('sh run.sh')
    process.kill(place.worker!, 'SIGKILL')
    await expect.poll(() => commandLine(program)).toBe('')
    const { stdout, code } = await place.run(...run)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ stages: { own: { again: true } } })
  },
  serverTimeout,
)

const mounts = canMount()
test.skipIf(!mounts).each([
  [
    'at once',
    'exec cat /dev/zero > outputs/zeros',
    /^(own: )?The disk is full: |^own: the disk of .* has less than 64 MiB left$/,
  ],
  [
    'slowly',
    'while :; do head -c 8000000 /dev/zero >> outputs/zeros; sleep 0.1; done',
    /^own: the disk of .* has less than 64 MiB left$/,
  ],
])(
  `a command that fills the disk %s is ended, and the run says so${mounts ? '' : ' (skipped: this user cannot mount a disk)'}`,
  async (speed, program, message) => {
    const run = await placeWith(`command-disk-${speed.replace(' ', '-')}`, program, ', retry: { maximumAttempts: 1 }')
    mkdirSync(place.store)
    mountDisk(place.store, '-o', 'size=400m')
    try {
      const { stdout, code } = await place.run(...run)
      const { error } = JSON.parse(stdout) as { error: { message: string; remedy: string } }
      expect(error.message).toMatch(message)
      expect(error.remedy).toContain('--store')
      expect(code).toBe(6)
    } finally {
      await place.endWorker()
      unmountDisk(place.store)
    }
  },
  serverTimeout,
)

test.each([
  [
    'memory',
    `exec python3 -c 'kept = b"x" * 300000000; import time; time.sleep(1000)'`,
    ', memory: 200 MiB',
    6,
    /^own: the task used \d+ MiB of memory; its stage allows 200 MiB$/,
  ],
  [
    'time',
    'while :; do sleep 1; done',
    // Time enough to ask the stage for its tasks, which counts too.
    ', timeout: 6 s, retry: { maximumAttempts: 1 }',
    4,
    /^A task failed for good: own: the task took longer than the 6 s that its stage allows$/,
  ],
])(
  'a command that takes more %s than its stage allows is ended, and the run says so',
  async (what, program, execution, exitCode, message) => {
    const run = await placeWith(`command-${what}`, program, execution)
    const { code, stdout } = await place.run(...run)
    expect(code).toBe(exitCode)
    const { error } = JSON.parse(stdout) as { error: { message: string; remedy: string } }
    expect(error.message).toMatch(message)
    expect(error.remedy).toMatch(/^Raise the stage’s `(memory|timeout):`/)
  },
  serverTimeout,
)
