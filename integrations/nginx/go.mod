module github.com/vistone/poolkit/integrations/nginx

go 1.26.0

require github.com/vistone/poolkit v0.0.0

require golang.org/x/sync v0.24.0 // indirect

replace github.com/vistone/poolkit => ../..
