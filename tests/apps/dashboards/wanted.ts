// What our dashboards may hold: Grafana's own types, with the queries and options of the panels that we use.
// `cargo xtask setup` installs the types, and the test `dashboards` makes a JSON schema of `Wanted`.
import type { Dashboard, FieldConfig, Panel, RowPanel } from "@grafana/grafana-foundation-sdk/dist/dashboard/types.gen";
import type { Dataquery } from "@grafana/grafana-foundation-sdk/dist/prometheus/types.gen";
import type { Options as BarGauge } from "@grafana/grafana-foundation-sdk/dist/bargauge/types.gen";
import type { Options as Heatmap } from "@grafana/grafana-foundation-sdk/dist/heatmap/types.gen";
import type { Options as Stat } from "@grafana/grafana-foundation-sdk/dist/stat/types.gen";
import type { Options as StateTimeline } from "@grafana/grafana-foundation-sdk/dist/statetimeline/types.gen";
import type { Options as Table } from "@grafana/grafana-foundation-sdk/dist/table/types.gen";
import type { Options as TimeSeries } from "@grafana/grafana-foundation-sdk/dist/timeseries/types.gen";
import type { GraphFieldConfig, TableFieldOptions } from "@grafana/grafana-foundation-sdk/dist/common/types.gen";

type Query = Omit<Dataquery, "_implementsDataqueryVariant">;

// A panel of a type, with that type's options and fields; a title and a description are ours to ask for.
type Of<T extends string, O, C = unknown> = Omit<Panel, "type" | "targets" | "options" | "fieldConfig"> & {
  type: T;
  title: string;
  description: string;
  targets: Query[];
  options: Partial<O>;
  fieldConfig: {
    defaults: Omit<FieldConfig, "custom"> & { custom?: Partial<C> };
    overrides: NonNullable<Panel["fieldConfig"]>["overrides"];
  };
};

export type Wanted = Omit<Dashboard, "panels"> & {
  panels: (
    | RowPanel
    | Of<"bargauge", BarGauge>
    | Of<"heatmap", Heatmap>
    | Of<"stat", Stat>
    | Of<"state-timeline", StateTimeline>
    | Of<"table", Table, TableFieldOptions>
    | Of<"timeseries", TimeSeries, GraphFieldConfig>
  )[];
};
