// Records the histories that test/engine/replay.test.ts replays. To be run when workflows were changed on purpose.
import { build, install, run } from './setup.mjs'

install()
build()
run(process.execPath, ['dist/test/engine/record-histories.js'])
