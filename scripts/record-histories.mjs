// Records the histories that test/engine/replay.test.ts replays. Run it after deliberate changes to workflows.
import { build, install, run } from './setup.mjs'

install()
build()
run(process.execPath, ['dist/test/engine/record-histories.js'])
