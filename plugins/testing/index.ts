/** What tests of a block type import (`puzzleflow/plugin/testing`). */
export { checkBlockType, type CheckOptions } from './check-block-type.js'
export { BlockReport, type CheckName, type Finding } from './report.js'
