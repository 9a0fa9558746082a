// A neighbour: a process that keeps one core busy half of the time, in turns of 50 ms.
import { spawn } from 'node:child_process'

const work = `
const wait = new Int32Array(new SharedArrayBuffer(4))
process.on('disconnect', () => process.exit())
const turn = () => {
  const end = Date.now() + 50
  while (Date.now() < end);
  Atomics.wait(wait, 0, 0, 50)
  setImmediate(turn)
}
turn()
`

/** Starts it; it ends with this process, or by `kill()`. */
export const startNoise = () => spawn(process.execPath, ['-e', work], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
