import { afterAll, vi } from 'vitest'
import { testServer } from '../temporal.js'
import { Rig } from './rig.js'

/** A rig on the tests' server for all tests of a file, which closes after them. */
export async function sharedRig(): Promise<Rig> {
  // Stopping a task takes a heartbeat or two, and machines that test may have much else to do.
  vi.setConfig({ testTimeout: 240_000 })
  const rig = await Rig.create(await testServer())
  afterAll(() => rig.close())
  return rig
}
