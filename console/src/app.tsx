// The console as a whole: its providers, who is signed in, and the page that the address names.
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";
import { createBrowserRouter, Outlet, RouterProvider } from "react-router";
import { queries } from "./api/client";
import { renew, useSession } from "./api/session";
import { PAGES } from "./pages";
import { Loading } from "./parts/Loading";
import { Crash } from "./parts/Problem";
import { SignIn } from "./shell/SignIn";
import { TextsProvider } from "./texts";
import { NONCE } from "./theme/nonce";
import { theme, variables } from "./theme/theme";

const Shell = lazy(() => import("./shell/Shell"));
const Setup = lazy(() => import("./pages/start/Setup"));
const NotFound = lazy(() => import("./shell/NotFound"));

function Guarded() {
  const session = useSession();
  useEffect(() => {
    if (session.status === "unknown") void renew().catch(() => undefined);
    if (session.status === "out") queries.clear();
  }, [session.status]);
  if (session.status === "unknown") return <Loading />;
  if (session.status === "out") return <SignIn />;
  return (
    <Suspense fallback={<Loading />}>
      <Shell>
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </Shell>
    </Suspense>
  );
}

const router = createBrowserRouter(
  [
    { path: "/setup", element: <Suspense fallback={<Loading />}><Setup /></Suspense>, errorElement: <Crash /> },
    {
      element: <Guarded />,
      errorElement: <Crash />,
      children: [
        ...PAGES.flatMap(({ paths, Page }) =>
          paths.map((path) => ({ path, element: <Page />, errorElement: <Crash /> })),
        ),
        { path: "*", element: <NotFound /> },
      ],
    },
  ],
  { basename: "/console" },
);

export function App() {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={() => NONCE}>
      <QueryClientProvider client={queries}>
        <TextsProvider>
          <Notifications position="bottom-right" />
          <RouterProvider router={router} />
        </TextsProvider>
      </QueryClientProvider>
    </MantineProvider>
  );
}
