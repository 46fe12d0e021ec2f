// The parts of Apache ECharts the pages draw with, and no more: this file is what esbuild bundles.
// To use another part: import it here, add it to `use`, run `python -m build.package.assets`.
import { LineChart, BarChart, PieChart } from "echarts/charts";
import { AriaComponent, AxisPointerComponent, GridComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([
  AriaComponent,
  AxisPointerComponent,
  BarChart,
  CanvasRenderer,
  GridComponent,
  LineChart,
  MarkLineComponent,
  PieChart,
  TooltipComponent,
]);

export { init };
