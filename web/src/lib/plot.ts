/** The plotting library and its style, in a part of their own: loaded when a curve is first shown. */
import 'uplot/dist/uPlot.min.css';

export { default as UPlot } from 'uplot';
