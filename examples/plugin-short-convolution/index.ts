import { definePlugin, defineBlockType } from 'puzzleflow/plugin'
import { shortConvolution } from './short-convolution.js'

/** One block type for the slot `attention`. */
export default definePlugin({ blocks: [defineBlockType(shortConvolution)] })
